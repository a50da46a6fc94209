// SPDX-License-Identifier: GPL-2.0

//! Errors that say what to do.

use anyhow::anyhow;
use relayfs::{list, mount, Channel, Error};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Opens a channel.
pub(crate) fn open(name: &Path) -> anyhow::Result<Channel> {
    Channel::open(name).map_err(|error| self::error(error, name))
}

/// What `error` means for who wanted to do something with the channel `name`.
pub(crate) fn error(error: Error, name: &Path) -> anyhow::Error {
    let shown = name.display();
    match error {
        Error::NotMounted => not_mounted(),
        Error::NotAChannel(_) => no_channel(name),
        error => match error.io_kind() {
            Some(ErrorKind::NotFound) if mount_of(name).is_none() => not_mounted(),
            Some(ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory) => {
                no_channel(name)
            }
            Some(ErrorKind::ResourceBusy) => anyhow!(
                "{shown}: another reader consumes it; end that one, or look on without consuming \
                 (--observe)"
            ),
            Some(ErrorKind::PermissionDenied) => denied(name, &error),
            _ => anyhow::Error::new(error).context(shown.to_string()),
        },
    }
}

/// What `error` means where no channel was named.
pub(crate) fn general(error: Error) -> anyhow::Error {
    match error {
        Error::NotMounted => not_mounted(),
        error if error.io_kind() == Some(ErrorKind::PermissionDenied) => {
            denied(Path::new(list::NAME), &error)
        }
        error => error.into(),
    }
}

/// Whether the kernel knows relayfs.
pub(crate) fn is_loaded() -> bool {
    fs::read_to_string("/proc/filesystems").is_ok_and(|text| {
        text.lines()
            .any(|line| line.split_whitespace().next_back() == Some("relayfs"))
    })
}

/// Which lockdown is on, if the kernel knows such a thing.
pub(crate) fn lockdown() -> Option<String> {
    let text = fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    let (_, rest) = text.split_once('[')?;
    let (mode, _) = rest.split_once(']')?;
    Some(mode.to_owned())
}

fn mount_of(name: &Path) -> Option<std::path::PathBuf> {
    if name.is_absolute() {
        return Some(name.to_owned());
    }
    mount::find().ok()
}

fn not_mounted() -> anyhow::Error {
    if is_loaded() {
        anyhow!(
            "relayfs is not mounted; as root: mount -t relayfs relayfs {}",
            mount::DEFAULT
        )
    } else {
        anyhow!(
            "the module relayfs is not loaded; as root: modprobe relayfs && \
             mount -t relayfs relayfs {}",
            mount::DEFAULT
        )
    }
}

fn denied(name: &Path, error: &Error) -> anyhow::Error {
    let shown = name.display();
    if lockdown().as_deref() == Some("confidentiality") {
        return anyhow!(
            "{shown}: the kernel is locked down for confidentiality, and lets nobody read channels; \
             boot with lockdown=integrity"
        );
    }
    let mount = mount::find().unwrap_or_else(|_| mount::DEFAULT.into());
    anyhow!(
        "{shown}: not allowed ({error}); files are for root by default: use sudo, or let a group read \
         them, as root: mount -o remount,mode=0750,gid=GROUP {}",
        mount.display()
    )
}

fn no_channel(name: &Path) -> anyhow::Error {
    let shown = name.display();
    let names: Vec<String> = list::channels()
        .unwrap_or_default()
        .into_iter()
        .filter_map(|line| Some(line.path?.to_string_lossy().into_owned()))
        .collect();
    let wanted = name.to_string_lossy();
    let near = near(&wanted, &names);
    if near.is_empty() {
        anyhow!("{shown}: no such channel; relay ls lists those there are")
    } else {
        anyhow!(
            "{shown}: no such channel; did you mean {}?",
            near.join(" or ")
        )
    }
}

/// Names that are like `wanted`, at most three.
fn near<'a>(wanted: &str, names: &'a [String]) -> Vec<&'a str> {
    let most = (wanted.chars().count() / 3).max(1);
    let mut found: Vec<(usize, &str)> = names
        .iter()
        .filter_map(|name| {
            let far = distance(wanted, name);
            let part = wanted.len() > 2 && name.contains(wanted);
            (far <= most || part).then_some((far, name.as_str()))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().take(3).map(|(_, name)| name).collect()
}

/// How many characters must be changed, added or taken away to make one of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let changed = row[j] + usize::from(x != *y);
            next.push(changed.min(row[j + 1] + 1).min(next[j] + 1));
        }
        row = next;
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let names = ["systrace", "klog", "net/rx", "net/tx"].map(String::from);
        assert_eq!(near("sytrace", &names), ["systrace"]);
        assert_eq!(near("net/x", &names), ["net/rx", "net/tx"]);
        assert_eq!(near("trace", &names), ["systrace"]);
        assert!(near("other", &names).is_empty());
        assert_eq!((distance("", "ab"), distance("abc", "adc")), (2, 1));
    }
}
