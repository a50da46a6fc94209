// SPDX-License-Identifier: GPL-2.0

//! `relay info`.

use crate::end::End;
use crate::explain;
use anyhow::Result;
use relayfs::{list, mount};
use serde_json::{Map, Value};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Shows what there is to know about relayfs on this machine
///
/// Versions, the module and its parameters, where it is mounted, lockdown, and what of the kernel's
/// configuration matters: for a report about something that does not work. It works without relayfs, too.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A line of JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<End> {
    let facts = facts();
    let mut out = std::io::stdout().lock();
    if args.json {
        let mut object = Map::new();
        object.insert("type".into(), "info".into());
        for (name, value) in facts {
            object.insert(
                name.replace([' ', '-'], "_"),
                value.map_or(Value::Null, Value::from),
            );
        }
        serde_json::to_writer(&mut out, &object)?;
        writeln!(out)?;
    } else {
        for (name, value) in facts {
            writeln!(
                out,
                "{:<30}{}",
                format!("{name}:"),
                value.as_deref().unwrap_or("-")
            )?;
        }
    }
    out.flush()?;
    Ok(End::Complete)
}

type Fact = (String, Option<String>);

/// The text of a file, if it can be read and is not empty.
fn text(path: impl AsRef<Path>) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn facts() -> Vec<Fact> {
    let module = Path::new("/sys/module/relayfs");
    let release = text("/proc/sys/kernel/osrelease");
    let loaded = if explain::is_loaded() {
        "loaded"
    } else {
        "not loaded"
    };
    let mut facts: Vec<Fact> = Vec::new();
    let mut add = |name: &str, value: Option<String>| facts.push((name.to_owned(), value));
    add("relay", Some(env!("CARGO_PKG_VERSION").to_owned()));
    add("kernel", release.clone());
    add("kernel build", text("/proc/sys/kernel/version"));
    add("machine", Some(std::env::consts::ARCH.to_owned()));
    add("cpus online", text("/sys/devices/system/cpu/online"));
    add("module", Some(loaded.to_owned()));
    add("module version", text(module.join("version")));
    add("module srcversion", text(module.join("srcversion")));
    add("module taint", text(module.join("taint")));
    for name in ["max_bytes", "used_bytes"] {
        add(name, text(module.join("parameters").join(name)));
    }
    let mount = mount::find().ok();
    add(
        "mount",
        mount.as_ref().map(|path| path.display().to_string()),
    );
    add("mount options", mount.as_deref().and_then(options));
    add("channels", channels(mount.as_deref()));
    add("lockdown", explain::lockdown());
    add("secure boot", secure_boot());
    add("tainted", text("/proc/sys/kernel/tainted"));
    let config = config(release.as_deref());
    for option in OPTIONS {
        let value = config
            .as_deref()
            .map(|config| set(config, option).to_owned());
        facts.push((option.to_owned(), value));
    }
    facts
}

/// What of the kernel's configuration matters to relayfs.
const OPTIONS: [&str; 9] = [
    "CONFIG_RUST",
    "CONFIG_MODULES",
    "CONFIG_MODULE_SIG_FORCE",
    "CONFIG_MODVERSIONS",
    "CONFIG_RELAY",
    "CONFIG_PREEMPT_RT",
    "CONFIG_HOTPLUG_CPU",
    "CONFIG_SECURITY_LOCKDOWN_LSM",
    "CONFIG_IO_URING",
];

/// The configuration, where the kernel or its package says it.
fn config(release: Option<&str>) -> Option<String> {
    if Path::new("/proc/config.gz").exists() {
        return zcat("/proc/config.gz");
    }
    let release = release?;
    text(format!("/boot/config-{release}"))
        .or_else(|| text(format!("/lib/modules/{release}/config")))
        .or_else(|| text(format!("/lib/modules/{release}/build/.config")))
}

fn zcat(path: &str) -> Option<String> {
    let zcat = Command::new("zcat")
        .arg(path)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    zcat.status.success().then_some(())?;
    String::from_utf8(zcat.stdout).ok()
}

/// The value of an option.
fn set<'a>(config: &'a str, option: &str) -> &'a str {
    config
        .lines()
        .find_map(|line| line.strip_prefix(option)?.strip_prefix('='))
        .unwrap_or("n")
}

/// The options of a mount, as in `/proc/mounts`.
fn options(mount: &Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let point = fields.next()?;
        let kind = fields.next()?;
        let options = fields.next()?;
        (kind == "relayfs" && Path::new(point) == mount).then(|| options.to_owned())
    })
}

/// How many channels there are, or why that is not known.
fn channels(mount: Option<&Path>) -> Option<String> {
    Some(match list::channels_of(mount?) {
        Ok(lines) => lines.len().to_string(),
        Err(error) => error.to_string(),
    })
}

/// Whether the firmware checks what is booted.
fn secure_boot() -> Option<String> {
    let dir = fs::read_dir("/sys/firmware/efi/efivars").ok()?;
    let variable = dir.flatten().find(|entry| {
        let name = entry.file_name();
        name.to_string_lossy().starts_with("SecureBoot-")
    })?;
    // Four bytes of attributes come first.
    let on = fs::read(variable.path()).ok()?.get(4).copied()? == 1;
    Some(if on { "on" } else { "off" }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_configuration() {
        let config = "CONFIG_RUST=y\n# CONFIG_RUST_X is not set\nCONFIG_RELAY_X=y\n";
        assert_eq!(set(config, "CONFIG_RUST"), "y");
        assert_eq!(set(config, "CONFIG_RELAY"), "n");
    }
}
