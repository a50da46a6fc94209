// SPDX-License-Identifier: MIT OR Apache-2.0

//! The words of a text in TSDL.

use crate::error::{Error, Result};

/// A word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A name, a keyword, or several of them with dots between, as in `clock.monotonic.value`.
    Name(String),
    Number(u64),
    Text(String),
    /// `:=`
    Assign,
    /// Any of `{ } [ ] ; = < > , : -` and so on.
    Mark(char),
}

/// Goes over the words.
#[derive(Clone)]
pub(super) struct Tokens<'a> {
    rest: std::str::Chars<'a>,
    line: usize,
    next: Option<Token>,
}

/// What is not understood.
pub(super) fn bad<T>(line: usize, what: impl Into<String>) -> Result<T> {
    let what = what.into();
    Err(Error::Metadata { line, what })
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            rest: text.chars(),
            line: 1,
            next: None,
        }
    }

    /// The line one has come to.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    fn step(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn peek_char(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn skip(&mut self) -> Result<()> {
        loop {
            let rest = self.rest.as_str();
            if rest.starts_with(char::is_whitespace) {
                self.step();
            } else if rest.starts_with("//") {
                while self.peek_char().is_some_and(|c| c != '\n') {
                    self.step();
                }
            } else if rest.starts_with("/*") {
                let Some(len) = rest.find("*/") else {
                    return bad(self.line, "a comment without an end");
                };
                for _ in rest.get(..len + 2).unwrap_or_default().chars() {
                    self.step();
                }
            } else {
                return Ok(());
            }
        }
    }

    /// The next word, which remains the next.
    pub(super) fn peek(&mut self) -> Result<Option<&Token>> {
        if self.next.is_none() {
            self.next = self.read()?;
        }
        Ok(self.next.as_ref())
    }

    /// The next word; `None`: the text is at its end.
    pub(super) fn next(&mut self) -> Result<Option<Token>> {
        match self.next.take() {
            Some(token) => Ok(Some(token)),
            None => self.read(),
        }
    }

    fn read(&mut self) -> Result<Option<Token>> {
        self.skip()?;
        let Some(c) = self.peek_char() else {
            return Ok(None);
        };
        let token = if c == '"' {
            Token::Text(self.text()?)
        } else if c.is_ascii_digit() {
            let word = self.word(|c| c.is_ascii_alphanumeric());
            match number(&word) {
                Some(number) => Token::Number(number),
                None => return bad(self.line, format!("{word} is no number")),
            }
        } else if c.is_ascii_alphabetic() || c == '_' {
            Token::Name(self.word(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')))
        } else {
            self.step();
            if c == ':' && self.peek_char() == Some('=') {
                self.step();
                Token::Assign
            } else {
                Token::Mark(c)
            }
        };
        Ok(Some(token))
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let mut word = String::new();
        while let Some(c) = self.peek_char().filter(|&c| belongs(c)) {
            word.push(c);
            self.step();
        }
        word
    }

    fn text(&mut self) -> Result<String> {
        self.step();
        let mut text = String::new();
        loop {
            match self.step() {
                None => return bad(self.line, "a text without an end"),
                Some('"') => return Ok(text),
                Some('\\') => match self.step() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(c @ ('"' | '\\' | '\'')) => text.push(c),
                    _ => return bad(self.line, "an unknown escape in a text"),
                },
                Some(c) => text.push(c),
            }
        }
    }

    /// The next word must be this mark.
    pub(super) fn mark(&mut self, mark: char) -> Result<()> {
        match self.next()? {
            Some(Token::Mark(found)) if found == mark => Ok(()),
            found => self.unexpected(found, &format!("\"{mark}\"")),
        }
    }

    /// The next word must be a name.
    pub(super) fn name(&mut self) -> Result<String> {
        match self.next()? {
            Some(Token::Name(name)) => Ok(name),
            found => self.unexpected(found, "a name"),
        }
    }

    /// The next word must be a number.
    pub(super) fn number(&mut self) -> Result<u64> {
        match self.next()? {
            Some(Token::Number(number)) => Ok(number),
            found => self.unexpected(found, "a number"),
        }
    }

    /// There is something else than there should be.
    pub(super) fn unexpected<T>(&self, found: Option<Token>, wanted: &str) -> Result<T> {
        let found = match found {
            None => "the end".to_owned(),
            Some(Token::Name(name)) => name,
            Some(Token::Number(number)) => number.to_string(),
            Some(Token::Text(text)) => format!("{text:?}"),
            Some(Token::Assign) => "\":=\"".to_owned(),
            Some(Token::Mark(mark)) => format!("\"{mark}\""),
        };
        bad(self.line, format!("{found} where {wanted} should be"))
    }
}

fn number(word: &str) -> Option<u64> {
    if let Some(hex) = word.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok();
    }
    match word.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => u64::from_str_radix(octal, 8).ok(),
        _ => word.parse().ok(),
    }
}
