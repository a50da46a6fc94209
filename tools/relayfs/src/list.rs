// SPDX-License-Identifier: MIT OR Apache-2.0

//! `.channels` in the root of a mount: all channels, a line each.

use crate::error::{Error, Result};
use crate::mount;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Name of the file.
pub const NAME: &str = ".channels";

/// A line of it.
///
/// ```
/// let text = b"# mode format n_subbufs path\noverwrite raw 8 net/rx\n";
/// let lines = relayfs::list::parse(text)?;
/// assert_eq!(lines[0].path.as_deref(), Some("net/rx".as_ref()));
/// assert_eq!(lines[0].number("n_subbufs"), Some(8));
/// # Ok::<(), relayfs::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The channel's name, below the mount; `None`: it has no files.
    pub path: Option<PathBuf>,
    /// All other columns, by name.
    pub columns: BTreeMap<String, String>,
}

impl Line {
    /// A column.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.columns.get(name).map(String::as_str)
    }

    /// A column that is a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }
}

/// All channels there are now.
pub fn channels() -> Result<Vec<Line>> {
    channels_of(&mount::find()?)
}

/// All channels that a mount shows.
pub fn channels_of(mount: &Path) -> Result<Vec<Line>> {
    let path = mount.join(NAME);
    let text = fs::read(&path).map_err(Error::at(path))?;
    parse(&text)
}

/// Understands the text of that file: the first line names the columns, of which the last is the path.
pub fn parse(text: &[u8]) -> Result<Vec<Line>> {
    let bad = |line, what| Error::Text {
        file: NAME,
        line,
        what,
    };
    let mut lines = text.split(|&c| c == b'\n');
    let head = lines
        .next()
        .and_then(|line| line.strip_prefix(b"#"))
        .ok_or(bad(1, "it does not begin with the names of the columns"))?;
    let names: Vec<_> = words(head).map(text_of).collect();
    let Some((last, names)) = names.split_last() else {
        return Err(bad(1, "no columns are named"));
    };
    if last != "path" {
        return Err(bad(1, "the last column is not the path"));
    }
    let mut found = Vec::new();
    for (at, line) in lines.enumerate() {
        if line.is_empty() {
            continue;
        }
        let mut words = words(line);
        let columns: BTreeMap<_, _> = names
            .iter()
            .zip(&mut words)
            .map(|(name, word)| (name.clone(), text_of(word)))
            .collect();
        let path = words
            .next()
            .ok_or(bad(at + 2, "there are fewer columns than names"))?;
        if words.next().is_some() {
            return Err(bad(at + 2, "there are more columns than names"));
        }
        found.push(Line {
            path: (path != b"-").then(|| mount::unescape(path).into()),
            columns,
        });
    }
    Ok(found)
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|c| matches!(c, b' ' | b'\t'))
        .filter(|word| !word.is_empty())
}

fn text_of(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# mode usage format scheme delivery clock subbuf_size n_subbufs buffers \
        generation readers observers produced read unread overwritten lost unread_bytes path";

    #[test]
    fn lines_are_as_the_kernel_writes_them() {
        let row = "overwrite smp raw lockless bulk mono 4096 8 4 0 1 0 10 6 3 1 2 300";
        let text = format!("{HEAD}\n{row} net/a\\040b\n{row} -\n{row} \\055\n");
        let lines = parse(text.as_bytes()).unwrap();
        let paths: Vec<_> = lines.iter().map(|line| line.path.as_deref()).collect();
        assert_eq!(paths, [Some("net/a b".as_ref()), None, Some("-".as_ref())]);
        assert_eq!(lines[0].get("mode"), Some("overwrite"));
        assert_eq!(lines[0].number("unread_bytes"), Some(300));
        assert_eq!(lines[0].number("mode"), None);
        assert_eq!(parse(format!("{HEAD}\n").as_bytes()).unwrap(), []);
    }

    #[test]
    fn columns_are_found_by_their_names() {
        let lines = parse(b"# new lost more path\n1 2 3 p\n").unwrap();
        assert_eq!(
            (lines[0].number("lost"), lines[0].number("more")),
            (Some(2), Some(3))
        );
    }

    #[test]
    fn what_does_not_fit_is_an_error_with_its_line() {
        for (text, line) in [
            (&b""[..], 1),
            (b"mode path\n", 1),
            (b"#\n", 1),
            (b"# path mode\n", 1),
            (b"# mode path\na b\na\n", 3),
            (b"# mode path\na b c\n", 2),
        ] {
            let Err(Error::Text { line: found, .. }) = parse(text) else {
                panic!("{text:?}");
            };
            assert_eq!(found, line);
        }
    }
}
