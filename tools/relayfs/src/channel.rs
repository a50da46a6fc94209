// SPDX-License-Identifier: MIT OR Apache-2.0

//! A channel: its files, attributes and counters.

use crate::buffer::{Buffer, Options};
use crate::error::{Error, Result};
use crate::info::InfoText;
use crate::ioctl;
use crate::metadata::Metadata;
use crate::mount;
use crate::uapi::Info;
use rustix::fd::OwnedFd;
use rustix::fs::{open, Mode, OFlags};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A channel.
///
/// ```no_run
/// let channel = relayfs::Channel::open("net/rx")?;
/// let info = channel.info()?;
/// println!("{} buffers of {} sub-buffers", info.n_buffers, info.n_subbufs);
/// println!("{} records written", info.produced.records);
/// # Ok::<(), relayfs::Error>(())
/// ```
#[derive(Debug)]
pub struct Channel {
    path: PathBuf,
    /// Of `path`, as an observer, so that it is in nobody's way.
    fd: OwnedFd,
}

impl Channel {
    /// Opens a channel by its name below the mount, or by the path of its file.
    pub fn open(name: impl AsRef<Path>) -> Result<Self> {
        let path = mount::resolve(name.as_ref())?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd =
            open(&path, flags, Mode::empty()).map_err(|errno| Error::at(&path)(errno.into()))?;
        if !mount::is_relayfs(&fd)? {
            return Err(Error::NotAChannel(path));
        }
        // Other files of a mount know no such thing.
        ioctl::observe(&fd).map_err(|_| Error::NotAChannel(path.clone()))?;
        Ok(Self { path, fd })
    }

    /// The path of its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder with the CPUs' files.
    pub fn dir(&self) -> PathBuf {
        let mut dir = OsString::from(&self.path);
        dir.push(".d");
        dir.into()
    }

    /// Attributes and counters, as they are now, of all buffers together.
    pub fn info(&self) -> Result<Info> {
        Ok(ioctl::info(&self.fd)?)
    }

    /// Its `info` file: attributes, and counters by CPU.
    pub fn info_text(&self) -> Result<InfoText> {
        let path = self.dir().join("info");
        let text = fs::read(&path).map_err(Error::at(path))?;
        InfoText::parse(&text)
    }

    /// Its metadata, as text; `None`: it is not a channel of records.
    pub fn metadata_text(&self) -> Result<Option<String>> {
        let path = self.dir().join("metadata");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::at(path)(error)),
        }
    }

    /// Its metadata; `None`: it is not a channel of records.
    pub fn metadata(&self) -> Result<Option<Metadata>> {
        let text = self.metadata_text()?;
        text.map(|text| Metadata::parse(&text)).transpose()
    }

    /// CPUs that have a buffer. A global channel has one file, that of CPU 0.
    pub fn cpus(&self) -> Result<Vec<u32>> {
        let dir = self.dir();
        let mut cpus = Vec::new();
        for entry in fs::read_dir(&dir).map_err(Error::at(&dir))? {
            let name = entry?.file_name();
            cpus.extend(
                name.to_str()
                    .and_then(|name| name.strip_prefix("cpu"))
                    .and_then(|number| number.parse::<u32>().ok()),
            );
        }
        cpus.sort_unstable();
        Ok(cpus)
    }

    /// The buffer of a CPU.
    pub fn buffer(&self, cpu: u32, options: Options) -> Result<Buffer> {
        Buffer::open(self.dir().join(format!("cpu{cpu}")), options)
    }

    /// All buffers, in the order of CPUs.
    pub fn buffers(&self, options: Options) -> Result<Vec<Buffer>> {
        let cpus = self.cpus()?;
        cpus.iter().map(|&cpu| self.buffer(cpu, options)).collect()
    }

    /// The file of the whole channel, in which the kernel merges the buffers.
    pub fn whole(&self, options: Options) -> Result<Buffer> {
        Buffer::open(&self.path, options)
    }

    /// Ends the current sub-buffers. The channel's time before which all can be read now, but for records
    /// somebody is still writing; 0 if it has none.
    pub fn flush(&self) -> Result<u64> {
        Ok(ioctl::flush(&self.fd)?)
    }

    /// Throws away what was written so far.
    pub fn reset(&self) -> Result<()> {
        // What observes may not.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = open(&self.path, flags, Mode::empty())
            .map_err(|errno| Error::at(&self.path)(errno.into()))?;
        Ok(ioctl::reset(fd)?)
    }
}
