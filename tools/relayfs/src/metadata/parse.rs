// SPDX-License-Identifier: MIT OR Apache-2.0

//! The metadata that relayfs writes, and [`record`](crate::record): a small part of TSDL 1.8. What could
//! change how packets are laid out must be as relayfs has it; everything else that is not known is an
//! error.

use super::fields::{self, Types};
use super::token::{bad, Token, Tokens};
use super::value::Int;
use super::{Clock, EventType, Metadata};
use crate::error::{Error, Result};

/// How packets begin.
const PACKET_HEADER: &str = "struct { u32 magic; u8 uuid[16]; u32 stream_id; }";
const PACKET_CONTEXT: &str = "struct { u64 packet_size; u64 content_size; time_t timestamp_begin; \
    time_t timestamp_end; u64 events_discarded; u64 packet_seq_num; u32 cpu_id; u32 _reserved; }";
const EVENT_HEADER: &str = "struct { time_t timestamp; u32 id; }";
const EVENT_CONTEXT: &str = "struct { u32 len; }";

pub(super) struct Parser<'a> {
    tokens: Tokens<'a>,
    types: Types,
    found: Metadata,
}

pub(super) fn parse(text: &str) -> Result<Metadata> {
    if !text.starts_with("/* CTF 1.8") {
        return bad(1, "it does not begin with \"/* CTF 1.8 */\"");
    }
    let mut parser = Parser {
        tokens: Tokens::new(text),
        types: Types::new(),
        found: Metadata::default(),
    };
    while let Some(token) = parser.tokens.next()? {
        let Token::Name(word) = token else {
            return parser.tokens.unexpected(Some(token), "a declaration");
        };
        match word.as_str() {
            "typealias" => parser.typealias()?,
            "trace" => parser.trace()?,
            "env" => parser.env()?,
            "clock" => parser.clock()?,
            "stream" => parser.stream()?,
            "event" => parser.event()?,
            word => return bad(parser.tokens.line(), format!("{word} is not known")),
        }
    }
    let line = parser.tokens.line();
    if parser.found.uuid == [0; 16] {
        return bad(line, "there is no uuid of the trace");
    }
    if parser.found.clock.freq == 0 {
        return bad(line, "there is no clock");
    }
    Ok(parser.found)
}

/// The attributes of an integer, which begin with `{`.
pub(super) fn integer(tokens: &mut Tokens<'_>) -> Result<Int> {
    tokens.mark('{')?;
    let (mut size, mut align) = (0, 1);
    let (mut signed, mut hex, mut text) = (false, false, false);
    while let Some(name) = next_attribute(tokens)? {
        match name.as_str() {
            "size" => size = tokens.number()?,
            "align" => align = tokens.number()?,
            "signed" => signed = boolean(tokens)?,
            "base" => {
                hex = match tokens.next()? {
                    Some(Token::Number(16)) => true,
                    Some(Token::Name(name)) if matches!(&*name, "hex" | "x" | "hexadecimal") => {
                        true
                    }
                    _ => false,
                }
            }
            "encoding" => text = matches!(&*tokens.name()?, "UTF8" | "ASCII"),
            // Which clock it is of.
            "map" => drop(tokens.name()?),
            name => return bad(tokens.line(), format!("{name} of an integer is not known")),
        }
        tokens.mark(';')?;
    }
    if !matches!(size, 8 | 16 | 32 | 64) || align != size {
        let what = format!("integers of {size} bits aligned to {align} are not known");
        return bad(tokens.line(), what);
    }
    Ok(Int {
        bytes: size as usize / 8,
        signed,
        hex,
        text: text && size == 8,
    })
}

fn boolean(tokens: &mut Tokens<'_>) -> Result<bool> {
    Ok(match tokens.next()? {
        Some(Token::Number(n)) => n != 0,
        Some(Token::Name(name)) => matches!(&*name, "true" | "TRUE"),
        found => return tokens.unexpected(found, "true or false"),
    })
}

/// The name of the next `name =` or `name :=`; `None`: it was `}`.
fn next_attribute(tokens: &mut Tokens<'_>) -> Result<Option<String>> {
    let name = match tokens.next()? {
        Some(Token::Mark('}')) => return Ok(None),
        Some(Token::Name(name)) => name,
        found => return tokens.unexpected(found, "a name"),
    };
    match tokens.next()? {
        Some(Token::Mark('=') | Token::Assign) => Ok(Some(name)),
        found => tokens.unexpected(found, "\"=\""),
    }
}

impl Parser<'_> {
    fn typealias(&mut self) -> Result<()> {
        let kind = self.tokens.name()?;
        if kind != "integer" {
            return bad(self.tokens.line(), format!("types of {kind} are not known"));
        }
        let int = integer(&mut self.tokens)?;
        match self.tokens.next()? {
            Some(Token::Assign) => {}
            found => return self.tokens.unexpected(found, "\":=\""),
        }
        let name = self.tokens.name()?;
        self.types.insert(name, int);
        self.tokens.mark(';')
    }

    /// What comes next must be these words.
    fn just(&mut self, wanted: &str) -> Result<()> {
        let mut words = Tokens::new(wanted);
        while let Some(word) = words.next()? {
            let line = self.tokens.line();
            if self.tokens.next()? != Some(word) {
                return bad(line, format!("packets are known only with {wanted}"));
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        // The last semicolon may be missing.
        if self.tokens.peek()? == Some(&Token::Mark(';')) {
            self.tokens.next()?;
        }
        Ok(())
    }

    fn trace(&mut self) -> Result<()> {
        self.tokens.mark('{')?;
        while let Some(name) = next_attribute(&mut self.tokens)? {
            match name.as_str() {
                "major" => self.just("1")?,
                "minor" => self.just("8")?,
                "uuid" => self.found.uuid = self.uuid()?,
                "byte_order" => {
                    let order = self.tokens.name()?;
                    let ours = if cfg!(target_endian = "little") {
                        "le"
                    } else {
                        "be"
                    };
                    if order != ours {
                        let what = format!("it is of a machine with the byte order {order}");
                        return bad(self.tokens.line(), what);
                    }
                }
                "packet.header" => self.just(PACKET_HEADER)?,
                name => return self.unknown(name, "a trace"),
            }
            self.tokens.mark(';')?;
        }
        self.end()
    }

    fn unknown<T>(&self, name: &str, of: &str) -> Result<T> {
        bad(self.tokens.line(), format!("{name} of {of} is not known"))
    }

    fn text(&mut self) -> Result<String> {
        match self.tokens.next()? {
            Some(Token::Text(text)) => Ok(text),
            found => self.tokens.unexpected(found, "a text"),
        }
    }

    fn uuid(&mut self) -> Result<[u8; 16]> {
        let text = self.text()?;
        let mut digits = text.chars().filter(|&c| c != '-').map(|c| c.to_digit(16));
        let mut uuid = [0; 16];
        for byte in &mut uuid {
            let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else {
                return bad(self.tokens.line(), format!("{text:?} is no uuid"));
            };
            *byte = (high << 4 | low) as u8;
        }
        if digits.next().is_some() {
            return bad(self.tokens.line(), format!("{text:?} is no uuid"));
        }
        Ok(uuid)
    }

    fn env(&mut self) -> Result<()> {
        self.tokens.mark('{')?;
        while let Some(name) = next_attribute(&mut self.tokens)? {
            let value = match self.tokens.next()? {
                Some(Token::Text(text)) => text,
                Some(Token::Number(number)) => number.to_string(),
                found => return self.tokens.unexpected(found, "a text or a number"),
            };
            self.found.env.push((name, value));
            self.tokens.mark(';')?;
        }
        self.end()
    }

    fn clock(&mut self) -> Result<()> {
        self.tokens.mark('{')?;
        let mut clock = Clock::default();
        while let Some(name) = next_attribute(&mut self.tokens)? {
            match name.as_str() {
                "name" => {
                    clock.name = match self.tokens.next()? {
                        Some(Token::Text(name) | Token::Name(name)) => name,
                        found => return self.tokens.unexpected(found, "a name"),
                    }
                }
                "uuid" => clock.uuid = self.uuid()?,
                "description" => drop(self.text()?),
                "freq" => clock.freq = self.tokens.number()?,
                "offset_s" => clock.offset_s = self.tokens.number()?,
                "offset" => clock.offset = self.tokens.number()?,
                name => return self.unknown(name, "a clock"),
            }
            self.tokens.mark(';')?;
        }
        if clock.freq == 0 {
            return bad(self.tokens.line(), "a clock that stands still");
        }
        self.found.clock = clock;
        self.end()
    }

    fn stream(&mut self) -> Result<()> {
        self.tokens.mark('{')?;
        while let Some(name) = next_attribute(&mut self.tokens)? {
            match name.as_str() {
                "id" => self.just("0")?,
                "packet.context" => self.just(PACKET_CONTEXT)?,
                "event.header" => self.just(EVENT_HEADER)?,
                "event.context" => self.just(EVENT_CONTEXT)?,
                name => return self.unknown(name, "a stream"),
            }
            self.tokens.mark(';')?;
        }
        self.end()
    }

    fn event(&mut self) -> Result<()> {
        self.tokens.mark('{')?;
        let (mut event_name, mut id, mut event_fields) = (String::new(), 0, Ok(Vec::new()));
        while let Some(name) = next_attribute(&mut self.tokens)? {
            match name.as_str() {
                "name" => event_name = self.text()?,
                "id" => id = self.tokens.number()?,
                "stream_id" => self.just("0")?,
                "fields" => {
                    self.just("struct {")?;
                    event_fields = self.fields()?;
                }
                name => return self.unknown(name, "an event"),
            }
            self.tokens.mark(';')?;
        }
        let Ok(id) = u32::try_from(id) else {
            return bad(self.tokens.line(), format!("{id} is no number of an event"));
        };
        self.found.events.insert(
            id,
            EventType {
                name: event_name,
                id,
                fields: event_fields,
            },
        );
        self.end()
    }

    /// A client may have fields of its own kind, which are known to it and other readers; such an event is
    /// one that cannot be decoded. Then what is behind the brace that closes them comes next.
    fn fields(&mut self) -> Result<std::result::Result<Vec<fields::Field>, String>> {
        let start = self.tokens.clone();
        match fields::parse(&mut self.tokens, &self.types) {
            Ok(fields) => Ok(Ok(fields)),
            Err(Error::Metadata { what, .. }) => {
                self.tokens = start;
                self.skip_braces()?;
                Ok(Err(what))
            }
            Err(error) => Err(error),
        }
    }

    fn skip_braces(&mut self) -> Result<()> {
        let mut depth = 1usize;
        while depth != 0 {
            match self.tokens.next()? {
                Some(Token::Mark('{')) => depth += 1,
                Some(Token::Mark('}')) => depth -= 1,
                Some(_) => {}
                None => return bad(self.tokens.line(), "an event without an end"),
            }
        }
        Ok(())
    }
}
