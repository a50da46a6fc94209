// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where relayfs is mounted.

use crate::error::{Error, Result};
use crate::uapi::MAGIC;
use rustix::fd::AsFd;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Where it is mounted as a rule.
pub const DEFAULT: &str = "/sys/kernel/relay";

/// Whether that is a file of relayfs.
pub(crate) fn is_relayfs(fd: impl AsFd) -> Result<bool> {
    Ok(rustix::fs::fstatfs(fd)?.f_type as u64 == u64::from(MAGIC))
}

/// Where it is mounted: in the usual place, or else the first mount there is.
pub fn find() -> Result<PathBuf> {
    let usual = Path::new(DEFAULT);
    if rustix::fs::statfs(usual).is_ok_and(|fs| fs.f_type as u64 == u64::from(MAGIC)) {
        return Ok(usual.to_owned());
    }
    let path = "/proc/self/mountinfo";
    let text = fs::read(path).map_err(Error::at(path))?;
    first(&text).ok_or(Error::NotMounted)
}

/// The first mount in a text like that of `/proc/self/mountinfo` that shows all of relayfs.
fn first(text: &[u8]) -> Option<PathBuf> {
    text.split(|&c| c == b'\n').find_map(|line| {
        let mut fields = line.split(|&c| c == b' ');
        let root = fields.nth(3)?;
        let point = fields.next()?;
        let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
        (root == b"/" && kind == b"relayfs").then(|| PathBuf::from(unescape(point)))
    })
}

/// Spaces and the like are `\040` in such texts.
pub(crate) fn unescape(field: &[u8]) -> OsString {
    let mut rest = field;
    let mut out = Vec::with_capacity(field.len());
    while let Some((&c, behind)) = rest.split_first() {
        let octal = |digits: &[u8]| {
            digits.iter().try_fold(0u32, |n, &digit| {
                matches!(digit, b'0'..=b'7').then(|| n * 8 + u32::from(digit - b'0'))
            })
        };
        let code = behind
            .get(..3)
            .and_then(octal)
            .and_then(|n| u8::try_from(n).ok());
        match code {
            Some(code) if c == b'\\' => {
                out.push(code);
                rest = behind.get(3..).unwrap_or_default();
            }
            _ => {
                out.push(c);
                rest = behind;
            }
        }
    }
    OsString::from_vec(out)
}

/// The file of a channel that is named by a path, or by its name below the mount.
pub(crate) fn resolve(name: &Path) -> Result<PathBuf> {
    if name.is_absolute() || name.as_os_str().as_bytes().starts_with(b"./") {
        return Ok(name.to_owned());
    }
    Ok(find()?.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INFO: &[u8] = b"22 28 0:20 / /sys rw shared:7 - sysfs sysfs rw\n\
        40 22 0:33 /net /mnt/part rw - relayfs relayfs rw\n\
        41 22 0:33 / /mnt/my\\040relay rw,nosuid shared:1 master:2 - relayfs relayfs rw\n\
        42 22 0:33 / /other rw - relayfs relayfs rw\n";

    #[test]
    fn the_first_mount_that_shows_all_is_found() {
        assert_eq!(first(INFO), Some("/mnt/my relay".into()));
        assert_eq!(first(b"1 2 0:3 / /a rw - tmpfs relayfs rw\n"), None);
        assert_eq!(first(b""), None);
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(unescape(b"a\\011b\\134c"), OsString::from("a\tb\\c"));
        // What is no escape stays.
        for plain in ["\\", "\\04", "\\9xx", "\\777", "x"] {
            assert_eq!(unescape(plain.as_bytes()), OsString::from(plain));
        }
    }

    proptest! {
        #[test]
        fn any_text_will_do(text: Vec<u8>) {
            let _ = (first(&text), unescape(&text));
        }
    }
}
