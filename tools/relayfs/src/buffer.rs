// SPDX-License-Identifier: MIT OR Apache-2.0

//! A file of a channel as a source of sub-buffers.

use crate::error::{Error, Result};
use crate::ioctl;
use crate::mapped::Mapped;
use crate::reading::Reading;
use crate::source::{Held, Source, SubBuf};
use crate::uapi::{Count, Info, CPU_ALL};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{open, Mode, OFlags};
use std::path::Path;

/// How to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// As what.
    pub role: Role,
    /// In which way.
    pub access: Access,
}

/// As what to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// The only consumer. Opening fails if there is another.
    #[default]
    Exclusive,
    /// A consumer: what others read this one does not get.
    Shared,
    /// Consumes nothing, and has a position of its own.
    Observer,
}

/// In which way to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// By a mapping if that is possible, else by `read(2)`.
    #[default]
    Auto,
    /// By a mapping: of one CPU's file, and not as one consumer among others.
    Mapped,
    /// By `read(2)`.
    Read,
}

impl Options {
    /// The only consumer, by a mapping if that is possible.
    pub fn exclusive() -> Self {
        Self::default()
    }

    /// One consumer among others.
    pub fn shared() -> Self {
        Self {
            role: Role::Shared,
            ..Self::default()
        }
    }

    /// Consumes nothing.
    pub fn observer() -> Self {
        Self {
            role: Role::Observer,
            ..Self::default()
        }
    }

    /// The same, but in this way.
    pub fn access(self, access: Access) -> Self {
        Self { access, ..self }
    }
}

#[derive(Debug)]
enum Way {
    Mapped(Mapped),
    Reading(Reading),
}

/// A CPU's buffer, or all of a channel, as a stream of sub-buffers.
///
/// ```no_run
/// use relayfs::{Channel, Item, Options};
///
/// let channel = Channel::open("net/rx")?;
/// for mut buffer in channel.buffers(Options::observer())? {
///     while let Some(subbuf) = buffer.next_subbuf()? {
///         for item in subbuf.records() {
///             match item? {
///                 Item::Record(event) => println!("{} {}", event.timestamp, event.id),
///                 Item::Run(run) => println!("{} bytes", run.bytes.len()),
///                 Item::Lost(lost) => println!("{} records are missing", lost.records),
///             }
///         }
///     }
/// }
/// # Ok::<(), relayfs::Error>(())
/// ```
#[derive(Debug)]
pub struct Buffer {
    fd: OwnedFd,
    way: Way,
    opened: Info,
    held: Held,
    holds: bool,
    closed: bool,
}

impl Buffer {
    /// Opens a CPU's file, or that of a whole channel.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        let path = path.as_ref();
        let alone = options.role == Role::Exclusive;
        let common = OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = if alone {
            // The consumer page is written. Who may only read consumes by ioctl.
            let flags = common | OFlags::EXCL;
            match open(path, flags | OFlags::RDWR, Mode::empty()) {
                Err(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => {
                    open(path, flags | OFlags::RDONLY, Mode::empty())
                }
                other => other,
            }
        } else {
            open(path, common | OFlags::RDONLY, Mode::empty())
        };
        let fd = fd.map_err(|errno| Error::at(path)(errno.into()))?;
        if !crate::mount::is_relayfs(&fd)? {
            return Err(Error::NotAChannel(path.to_owned()));
        }
        let info = ioctl::info(&fd).map_err(|errno| Error::at(path)(errno.into()))?;
        Self::from_fd(fd, options, &info).map_err(|error| match error {
            Error::Io(source) => Error::at(path)(source),
            other => other,
        })
    }

    pub(crate) fn from_fd(fd: OwnedFd, options: Options, info: &Info) -> Result<Self> {
        let can_map = info.cpu != CPU_ALL && options.role != Role::Shared;
        let map = match options.access {
            Access::Read => false,
            Access::Auto => can_map,
            Access::Mapped if can_map => true,
            Access::Mapped => {
                return Err(Error::Options(
                    "only an observer or the only consumer of one CPU's file reads a mapping",
                ))
            }
        };
        let mut opened = *info;
        if options.role == Role::Observer {
            ioctl::observe(&fd)?;
            opened.overwritten = ioctl::lost(&fd)?;
            opened.read = Count::default();
            opened.unread = opened.produced.less(opened.overwritten);
        }
        let way = if map {
            let alone = options.role == Role::Exclusive;
            Way::Mapped(Self::map(fd.as_fd(), alone, &mut opened)?)
        } else {
            // Consumers have missed that together.
            Way::Reading(Reading::new(&opened))
        };
        Ok(Self::with(fd, way, opened))
    }

    /// Maps what was `opened`, and says there what of it was gone.
    fn map(fd: BorrowedFd<'_>, alone: bool, opened: &mut Info) -> Result<Mapped> {
        let mut gone = opened.gone();
        let mapped = Mapped::new(fd, alone, &mut gone)?;
        opened.overwritten = gone.less(opened.read);
        Ok(mapped)
    }

    /// A reader of a mapping of something like a CPU's file.
    #[cfg(test)]
    pub(crate) fn of_map(fd: OwnedFd, options: Options) -> Result<Self> {
        let alone = options.role == Role::Exclusive;
        let mut gone = Count {
            records: u64::MAX,
            bytes: u64::MAX,
        };
        let way = Way::Mapped(Mapped::new(fd.as_fd(), alone, &mut gone)?);
        Ok(Self::with(fd, way, Info::default()))
    }

    /// Puts another buffer behind the file.
    #[cfg(test)]
    pub(crate) fn put_fd(&mut self, fd: OwnedFd) {
        self.fd = fd;
    }

    fn with(fd: OwnedFd, way: Way, opened: Info) -> Self {
        Self {
            fd,
            way,
            opened,
            held: Held::default(),
            holds: false,
            closed: false,
        }
    }

    /// The next sub-buffer, or, of a raw channel that is not mapped, what there is. `None`: nothing now,
    /// see [`Poller`](crate::Poller) and [`Buffer::is_ended`].
    pub fn next_subbuf(&mut self) -> Result<Option<SubBuf<'_>>> {
        SubBuf::next(self)
    }

    /// Whether the channel is closed and all of it was read. Known when [`Buffer::next_subbuf`] found
    /// nothing.
    pub fn is_ended(&self) -> bool {
        Source::is_ended(self)
    }

    /// Whether it is read by a mapping.
    pub fn is_mapped(&self) -> bool {
        matches!(self.way, Way::Mapped(_))
    }

    /// Whether its sub-buffers are packets.
    pub fn is_records(&self) -> bool {
        match &self.way {
            Way::Mapped(mapped) => mapped.is_records(),
            Way::Reading(reading) => reading.is_records(),
        }
    }

    /// Whether something waits in a sub-buffer that is not complete.
    pub(crate) fn is_partial(&self) -> bool {
        match &self.way {
            Way::Mapped(mapped) => mapped.is_partial(),
            Way::Reading(_) => false,
        }
    }

    /// Attributes and counters, as they are now.
    pub fn info(&self) -> Result<Info> {
        Ok(ioctl::info(&self.fd)?)
    }

    /// What was known when it was opened, just before it began to read: what was `read` or `overwritten` by
    /// then is no gap of its. For an observer nothing was read.
    pub fn opened(&self) -> &Info {
        &self.opened
    }

    /// What was overwritten before it was read since the channel was opened, also behind what was read last:
    /// for who consumes that of all consumers together.
    pub fn overwritten(&self) -> Result<Count> {
        if let Way::Mapped(mapped) = &self.way {
            // Of mapped observers the kernel knows nothing.
            if let Some(since) = mapped.overwritten() {
                let before = self.opened.overwritten;
                return Ok(Count {
                    records: before.records.saturating_add(since.records),
                    bytes: before.bytes.saturating_add(since.bytes),
                });
            }
        }
        Ok(ioctl::lost(&self.fd)?)
    }

    /// How many unread bytes wake who waits for this; 0: as the channel has it.
    pub fn set_watermark(&self, bytes: u64) -> Result<()> {
        Ok(ioctl::set_watermark(&self.fd, bytes)?)
    }

    /// How many milliseconds less than the watermark may stay; 0: as the channel has it.
    pub fn set_flush_interval(&self, ms: u32) -> Result<()> {
        Ok(ioctl::set_flush_interval(&self.fd, ms)?)
    }

    /// Ends the current sub-buffer. The channel's time before which all can be read now, but for records
    /// somebody is still writing; 0 if it has none.
    pub fn flush(&self) -> Result<u64> {
        Ok(ioctl::flush(&self.fd)?)
    }

    /// Throws away what was written so far. Not for observers.
    pub fn reset(&self) -> Result<()> {
        Ok(ioctl::reset(&self.fd)?)
    }
}

impl AsFd for Buffer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Source for Buffer {
    fn fetch(&mut self) -> Result<bool> {
        self.release()?;
        let fd = self.fd.as_fd();
        self.holds = match &mut self.way {
            Way::Mapped(mapped) => {
                let mut found = mapped.fetch(fd, &mut self.held)?;
                if !found && !self.closed {
                    // What was written before it was closed is there once it is.
                    self.closed = ioctl::info(fd).is_ok_and(|info| info.is_closed());
                    found = self.closed && mapped.fetch(fd, &mut self.held)?;
                }
                found
            }
            Way::Reading(reading) => reading.fetch(fd, &mut self.held)?,
        };
        Ok(self.holds)
    }

    fn held(&self) -> &Held {
        &self.held
    }

    fn release(&mut self) -> Result<()> {
        self.holds = false;
        match &mut self.way {
            Way::Mapped(mapped) => mapped.release(self.fd.as_fd()),
            Way::Reading(_) => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<Option<u64>> {
        let time = ioctl::flush(&self.fd)?;
        Ok((time != 0).then_some(time))
    }

    fn is_ended(&self) -> bool {
        !self.holds
            && match &self.way {
                Way::Mapped(_) => self.closed,
                Way::Reading(reading) => reading.is_ended(),
            }
    }
}
