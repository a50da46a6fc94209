// SPDX-License-Identifier: MIT OR Apache-2.0

//! Values of fields.

use std::fmt::{self, Write};

/// A type of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Int {
    /// 1, 2, 4 or 8.
    pub bytes: usize,
    /// Whether it has a sign.
    pub signed: bool,
    /// Whether it is shown in hexadecimal.
    pub hex: bool,
    /// Whether it is a character, of UTF-8.
    pub text: bool,
}

impl Int {
    /// The first number in `bytes`.
    fn read<'a>(self, bytes: &[u8]) -> Option<Value<'a>> {
        let bytes = bytes.get(..self.bytes)?;
        let (unsigned, signed) = match *bytes {
            [a] => (a.into(), i64::from(a as i8)),
            [a, b] => {
                let n = u16::from_ne_bytes([a, b]);
                (n.into(), i64::from(n as i16))
            }
            [a, b, c, d] => {
                let n = u32::from_ne_bytes([a, b, c, d]);
                (n.into(), i64::from(n as i32))
            }
            [a, b, c, d, e, f, g, h] => {
                let n = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
                (n, n as i64)
            }
            _ => return None,
        };
        Some(if self.hex {
            Value::Hex(unsigned)
        } else if self.signed {
            Value::Signed(signed)
        } else {
            Value::Unsigned(unsigned)
        })
    }
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number.
    Unsigned(u64),
    /// A number that may have a sign.
    Signed(i64),
    /// A number to be shown in hexadecimal.
    Hex(u64),
    /// Characters: UTF-8, if the kernel wrote such.
    Text(&'a [u8]),
    /// Several numbers.
    Array(Array<'a>),
}

/// Several numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Array<'a> {
    int: Int,
    bytes: &'a [u8],
}

impl<'a> Array<'a> {
    /// `bytes` are a multiple of those of a number.
    pub(super) fn new(int: Int, bytes: &'a [u8]) -> Self {
        Self { int, bytes }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.int.bytes.max(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Their type.
    pub fn int(&self) -> Int {
        self.int
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> {
        let int = self.int;
        self.bytes
            .chunks_exact(int.bytes.max(1))
            .filter_map(move |bytes| int.read(bytes))
    }
}

/// A number of type `int` at the beginning of `bytes`.
pub(super) fn read<'a>(int: Int, bytes: &[u8]) -> Option<Value<'a>> {
    int.read(bytes)
}

impl Value<'_> {
    /// The number, if it is one that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::Unsigned(n) | Self::Hex(n) => Some(n),
            Self::Signed(n) => n.try_into().ok(),
            _ => None,
        }
    }

    /// Writes it as JSON: numbers as numbers, texts as strings, in which what is no UTF-8 is replaced.
    pub fn write_json(&self, to: &mut impl Write) -> fmt::Result {
        match self {
            Self::Unsigned(n) | Self::Hex(n) => write!(to, "{n}"),
            Self::Signed(n) => write!(to, "{n}"),
            Self::Text(text) => write_json_string(&String::from_utf8_lossy(text), to),
            Self::Array(array) => {
                to.write_char('[')?;
                for (at, value) in array.iter().enumerate() {
                    if at != 0 {
                        to.write_char(',')?;
                    }
                    value.write_json(to)?;
                }
                to.write_char(']')
            }
        }
    }
}

/// Writes a string of JSON.
pub fn write_json_string(text: &str, to: &mut impl Write) -> fmt::Result {
    to.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(to, "\\{c}")?,
            '\n' => to.write_str("\\n")?,
            '\t' => to.write_str("\\t")?,
            '\r' => to.write_str("\\r")?,
            c if c < ' ' || c == '\x7f' => write!(to, "\\u{:04x}", u32::from(c))?,
            c => to.write_char(c)?,
        }
    }
    to.write_char('"')
}

/// As a person reads it: texts in quotes, with escapes for what is not to be printed.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(n) => write!(f, "{n}"),
            Self::Signed(n) => write!(f, "{n}"),
            Self::Hex(n) => write!(f, "{n:#x}"),
            Self::Text(text) => write!(f, "\"{}\"", text.escape_ascii()),
            Self::Array(array) => {
                f.write_char('[')?;
                for (at, value) in array.iter().enumerate() {
                    if at != 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{value}")?;
                }
                f.write_char(']')
            }
        }
    }
}
