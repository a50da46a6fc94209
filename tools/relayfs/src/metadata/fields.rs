// SPDX-License-Identifier: MIT OR Apache-2.0

//! Fields of events: how they are laid out, and what they are in an event's bytes.
//!
//! As in a C structure, a number is aligned to its size; the fields of an event begin at a multiple of 8.

use super::token::{bad, Token, Tokens};
use super::value::{read, Array, Int, Value};
use crate::error::Result;
use std::collections::HashMap;

/// The length of an event's fields, as the metadata of the kernel name it.
const LEN: &str = "stream.event.context.len";

/// How many there are of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Times {
    One,
    Fixed(usize),
    /// As many as that field of the event says.
    Field(usize),
    /// As many bytes as the event has.
    Event,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Numbers(Int, Times),
    /// Characters up to a zero.
    Text,
}

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Without the underscore in front.
    pub(super) name: String,
    kind: Kind,
}

/// Types of numbers by name.
pub(super) type Types = HashMap<String, Int>;

/// The fields between `{` and `}`, of which the first has been read.
pub(super) fn parse(tokens: &mut Tokens<'_>, types: &Types) -> Result<Vec<Field>> {
    let mut fields: Vec<Field> = Vec::new();
    loop {
        let kind = match tokens.next()? {
            Some(Token::Mark('}')) => return Ok(fields),
            Some(Token::Name(kind)) => kind,
            found => return tokens.unexpected(found, "the type of a field"),
        };
        let int = match (types.get(&kind), kind.as_str()) {
            (Some(&int), _) => Some(int),
            (None, "string") => None,
            (None, "integer") => Some(super::parse::integer(tokens)?),
            (None, _) => return bad(tokens.line(), format!("the type {kind} is not known")),
        };
        let name = tokens.name()?;
        let times = match tokens.next()? {
            Some(Token::Mark(';')) => Times::One,
            Some(Token::Mark('[')) => {
                let times = parse_times(tokens, &fields)?;
                tokens.mark(']')?;
                tokens.mark(';')?;
                times
            }
            found => return tokens.unexpected(found, "\";\""),
        };
        let kind = match int {
            Some(int) => Kind::Numbers(int, times),
            None if times == Times::One => Kind::Text,
            None => return bad(tokens.line(), "several strings in a field are not known"),
        };
        fields.push(Field {
            name: name.strip_prefix('_').unwrap_or(&name).to_owned(),
            kind,
        });
    }
}

fn parse_times(tokens: &mut Tokens<'_>, fields: &[Field]) -> Result<Times> {
    match tokens.next()? {
        Some(Token::Number(n)) => match usize::try_from(n) {
            Ok(n) => Ok(Times::Fixed(n)),
            Err(_) => bad(tokens.line(), format!("{n} are too many")),
        },
        Some(Token::Name(name)) if name == LEN => Ok(Times::Event),
        Some(Token::Name(name)) => {
            let plain = name.strip_prefix('_').unwrap_or(&name);
            let is_number = |field: &Field| matches!(field.kind, Kind::Numbers(_, Times::One));
            match fields.iter().position(|field| field.name == plain) {
                Some(at) if fields.get(at).is_some_and(is_number) => Ok(Times::Field(at)),
                _ => bad(tokens.line(), format!("{name} is no number before that")),
            }
        }
        found => tokens.unexpected(found, "a length"),
    }
}

impl Field {
    /// Whether that field only says how long another is.
    pub(super) fn is_length(fields: &[Self], at: usize) -> bool {
        fields
            .iter()
            .any(|field| matches!(field.kind, Kind::Numbers(_, Times::Field(of)) if of == at))
    }

    /// The value of this field, which begins at `at` or where it is aligned behind that, in an event's
    /// `bytes`. `before`: the values of those before. Where the next begins.
    pub(super) fn decode<'a>(
        &self,
        bytes: &'a [u8],
        at: usize,
        before: &[Value<'a>],
    ) -> std::result::Result<(Value<'a>, usize), &'static str> {
        const CUT: &str = "it goes beyond the event";
        let (int, times) = match &self.kind {
            Kind::Numbers(int, times) => (*int, times),
            Kind::Text => {
                let rest = bytes.get(at..).ok_or(CUT)?;
                let len = rest
                    .iter()
                    .position(|&c| c == 0)
                    .ok_or("it has no end in the event")?;
                return Ok((Value::Text(rest.get(..len).ok_or(CUT)?), at + len + 1));
            }
        };
        let at = at.checked_next_multiple_of(int.bytes).ok_or(CUT)?;
        let rest = bytes.get(at..);
        let n = match times {
            Times::One => {
                let value = read(int, rest.ok_or(CUT)?).ok_or(CUT)?;
                return Ok((value, at + int.bytes));
            }
            Times::Fixed(n) => *n,
            Times::Field(of) => before
                .get(*of)
                .and_then(Value::as_u64)
                .and_then(|n| usize::try_from(n).ok())
                .ok_or("its length is no number")?,
            Times::Event => bytes.len(),
        };
        let len = n.checked_mul(int.bytes).ok_or(CUT)?;
        // Of nothing at the end, what it is aligned to may lie behind.
        let values = match rest.and_then(|rest| rest.get(..len)) {
            Some(values) => values,
            None if len == 0 => &[],
            None => return Err(CUT),
        };
        let value = if int.text {
            let end = values.iter().position(|&c| c == 0);
            Value::Text(
                values
                    .get(..end.unwrap_or(values.len()))
                    .unwrap_or_default(),
            )
        } else {
            Value::Array(Array::new(int, values))
        };
        Ok((value, at + len))
    }
}
