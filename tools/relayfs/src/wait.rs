// SPDX-License-Identifier: MIT OR Apache-2.0

//! Waiting for any of several buffers.

use crate::buffer::Buffer;
use crate::error::Result;
use rustix::event::{epoll, Timespec};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use std::time::Duration;

/// Waits for buffers.
///
/// ```no_run
/// # let channel = relayfs::Channel::open("net/rx")?;
/// use relayfs::{Options, Poller};
///
/// let mut buffers = channel.buffers(Options::exclusive())?;
/// let poller = Poller::new(&buffers)?;
/// while !buffers.iter().all(|buffer| buffer.is_ended()) {
///     for buffer in &mut buffers {
///         while let Some(subbuf) = buffer.next_subbuf()? {
///             println!("{} bytes", subbuf.bytes().len());
///         }
///     }
///     poller.wait(&buffers, None)?;
/// }
/// # Ok::<(), relayfs::Error>(())
/// ```
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
}

/// How often a mapping is looked at in which something waits in an incomplete sub-buffer: an edge tells
/// that it was written, but not that it is complete.
const LOOK: Duration = Duration::from_millis(20);

/// How often at least it is looked whether all has ended.
const SELDOM: Duration = Duration::from_secs(1);

impl Poller {
    /// Of these buffers.
    pub fn new(buffers: &[Buffer]) -> Result<Self> {
        Self::of(buffers.iter())
    }

    pub(crate) fn of<'a>(buffers: impl Iterator<Item = &'a Buffer>) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for buffer in buffers {
            let mut events = epoll::EventFlags::IN;
            // A level tells what `read(2)` would find, also in a sub-buffer that is not complete, of which
            // a mapping shows nothing yet.
            if buffer.is_mapped() {
                events |= epoll::EventFlags::ET;
            }
            let data = epoll::EventData::new_u64(0);
            epoll::add(&epoll, buffer.as_fd(), data, events)?;
        }
        Ok(Self { epoll })
    }

    /// Waits until there may be something in one of the buffers, in all of which there was nothing: they
    /// are to be looked at again. `false`: the time is over.
    pub fn wait(&self, buffers: &[Buffer], timeout: Option<Duration>) -> Result<bool> {
        self.wait_for(buffers.iter(), timeout)
    }

    pub(crate) fn wait_for<'a>(
        &self,
        mut buffers: impl Iterator<Item = &'a Buffer>,
        timeout: Option<Duration>,
    ) -> Result<bool> {
        let most = if buffers.any(|buffer| buffer.is_partial()) {
            LOOK
        } else {
            SELDOM
        };
        let asked = timeout.unwrap_or(Duration::MAX);
        let time = Timespec::try_from(asked.min(most)).ok();
        let mut events = [epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        }; 8];
        match epoll::wait(&self.epoll, &mut events[..], time.as_ref()) {
            Ok(n) => Ok(n != 0 || asked > most),
            // The caller's timer, or what its handler noted, may be what it is about.
            Err(Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}
