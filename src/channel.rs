// SPDX-License-Identifier: GPL-2.0

//! Channels: what a client opens, writes and closes.

use crate::bindings as local;
use crate::buffer::{self, Buffer, Place};
use crate::percpu::{possible_cpus, PerCpu, Pinned};
use crate::reader::Merge;
use crate::ring::{copy_short, copy_to_slot, Cause, Committed, Ring, Rmw, Slot, LONG_COPY};
use crate::vfs;
use crate::wake::WaitQueue;
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::bindings;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::{new_mutex, Arc, Mutex};

pub(crate) mod config;
mod flush;
mod ticker;

use config::{Config, Usage};

/// What all buffers of a channel share with its readers.
#[pin_data]
pub(crate) struct Hub {
    /// Readers of the whole channel.
    #[pin]
    pub(crate) wait: WaitQueue,
    closed: AtomicBool,
}

impl Hub {
    /// Nothing will be written any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// A channel.
#[pin_data]
pub(crate) struct Channel {
    config: Config,
    path: CString,
    hub: Arc<Hub>,
    buffers: KVVec<Arc<Buffer>>,
    /// The buffer of each CPU; the same for all if the channel is global.
    here: PerCpu<Buffer>,
    #[pin]
    pub(crate) merge: Mutex<Merge>,
    #[pin]
    tree: Mutex<Option<vfs::Files>>,
    pub(crate) ticker: Arc<ticker::Ticker>,
}

/// Space reserved in a channel.
pub(crate) struct Reserved<'a> {
    pub(crate) buffer: &'a Buffer,
    pub(crate) slot: Slot,
}

impl Channel {
    /// Makes a channel and its files.
    pub(crate) fn open(path: &CStr, config: Config) -> Result<Arc<Self>> {
        let path = CString::try_from(path)?;
        vfs::check_path(&path)?;
        let hub = Arc::pin_init(
            pin_init!(Hub {
                wait <- WaitQueue::new(),
                closed: AtomicBool::new(false),
            }),
            GFP_KERNEL,
        )?;
        let buffers = Self::make_buffers(&config, &hub)?;
        let mut here = PerCpu::new()?;
        for cpu in possible_cpus() {
            let own = buffers
                .iter()
                .find(|b| b.place().cpu.is_none_or(|c| c == cpu));
            if let Some(buffer) = own {
                // SAFETY: The CPU is possible. The buffers live as long as the channel, that is
                // as long as `here`.
                unsafe { here.set(cpu, &**buffer) };
            }
        }
        let ticker = ticker::Ticker::new(config.flush_interval, &buffers, &hub)?;
        let channel = Arc::pin_init(
            pin_init!(Self {
                config,
                path,
                hub,
                buffers,
                here,
                merge <- new_mutex!(Merge::default(), "relayfs merge"),
                tree <- new_mutex!(None, "relayfs files"),
                ticker,
            }),
            GFP_KERNEL,
        )?;
        // All is ready: now the world may see it.
        let files = vfs::Files::create(&channel)?;
        *channel.tree.lock() = Some(files);
        Ok(channel)
    }

    fn make_buffers(config: &Config, hub: &Arc<Hub>) -> Result<KVVec<Arc<Buffer>>> {
        let count = match config.usage {
            Usage::Smp => possible_cpus().count(),
            Usage::Global => 1,
        };
        buffer::check_available(config.shape, count)?;
        let mut buffers = KVVec::with_capacity(count, GFP_KERNEL)?;
        match config.usage {
            Usage::Smp => {
                for cpu in possible_cpus() {
                    // SAFETY: The CPU is possible.
                    let node = unsafe { local::relayfs_helper_cpu_to_node(cpu) };
                    let place = Place {
                        cpu: Some(cpu),
                        node,
                    };
                    buffers.push(Buffer::new(config.shape, place, hub.clone())?, GFP_KERNEL)?;
                }
            }
            Usage::Global => {
                let place = Place {
                    cpu: None,
                    node: bindings::NUMA_NO_NODE,
                };
                buffers.push(Buffer::new(config.shape, place, hub.clone())?, GFP_KERNEL)?;
            }
        }
        Ok(buffers)
    }

    /// Ends the channel. Process context.
    pub(crate) fn close(&self) {
        for buffer in &self.buffers {
            buffer.ring().close();
        }
        // A writer that saw its ring open runs with preemption off: wait for all of those.
        // SAFETY: Process context.
        unsafe { bindings::synchronize_rcu() };
        self.flush();
        let files = self.tree.lock().take();
        drop(files);
        self.hub.closed.store(true, Ordering::Release);
        for buffer in &self.buffers {
            buffer.wait.wake_all();
        }
        self.hub.wait.wake_all();
        self.ticker.stop();
    }

    /// Writes one record of `len` bytes: `len`, or a negative errno, in one register as C wants it.
    /// Any context. A length that cannot be is refused before `data` is looked at.
    ///
    /// What is seldom taken is called last, so that the compiler need not save registers for it.
    ///
    /// # Safety
    ///
    /// If `len` is at most the longest record, `data` must be valid for reads of `len` bytes.
    #[inline(always)]
    pub(crate) unsafe fn write(&self, data: *const u8, len: usize) -> isize {
        if len >= LONG_COPY || self.config.usage != Usage::Smp {
            // SAFETY: As the caller promises.
            return unsafe { self.write_slow(Pinned::new(), data, len) };
        }
        let pinned = Pinned::new();
        let Some(buffer) = self.here.here(&pinned) else {
            // SAFETY: As the caller promises.
            return unsafe { self.write_slow(pinned, data, len) };
        };
        let Some(slot) = buffer.ring().try_reserve(len as u64) else {
            // SAFETY: As the caller promises.
            return unsafe { self.write_slow(pinned, data, len) };
        };
        // SAFETY: The slot is ours and `len` bytes long, so `data` is valid; `len` is short.
        unsafe { copy_short(data, buffer.ring().address(slot.pos), len) };
        if buffer.ring().commit(slot) == Committed::Notify {
            return self.written_loudly(pinned, len);
        }
        pinned.release_and_return(len as isize)
    }

    /// Ends a write about which readers may want to know.
    #[cold]
    #[inline(never)]
    fn written_loudly(&self, pinned: Pinned, len: usize) -> isize {
        if let Some(buffer) = self.here.here(&pinned) {
            buffer.notify(Committed::Notify);
        }
        len as isize
    }

    /// Writes when the current sub-buffer has no room, when the copy is worth a call, and to the
    /// one buffer of a global channel.
    ///
    /// # Safety
    ///
    /// As for [`Channel::write`].
    #[inline(never)]
    unsafe fn write_slow(&self, pinned: Pinned, data: *const u8, len: usize) -> isize {
        let result = match self.here.here(&pinned) {
            None => Err(Cause::Closed),
            // SAFETY: As the caller promises.
            Some(buffer) => unsafe {
                if self.config.usage == Usage::Smp {
                    Self::write_to(buffer, buffer.ring(), data, len)
                } else {
                    Self::write_to(buffer, buffer.shared(), data, len)
                }
            },
        };
        match result {
            Ok(()) => len as isize,
            Err(cause) => errno(cause).to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// As for [`Channel::write`].
    #[inline(always)]
    unsafe fn write_to<R: Rmw>(
        buffer: &Buffer,
        ring: &Ring<R>,
        data: *const u8,
        len: usize,
    ) -> Result<(), Cause> {
        let slot = match ring.try_reserve(len as u64) {
            Some(slot) => slot,
            None if len == 0 => return Ok(()),
            None => Self::reserve_slow(buffer, ring, len as u64)?,
        };
        // SAFETY: The slot is ours and `len` bytes long, so `data` is valid.
        unsafe { copy_to_slot(data, ring.address(slot.pos), len) };
        buffer.notify(ring.commit(slot));
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn reserve_slow<R: Rmw>(buffer: &Buffer, ring: &Ring<R>, len: u64) -> Result<Slot, Cause> {
        let (slot, committed) = ring.reserve_slow(len);
        buffer.notify(committed);
        slot
    }

    /// Reserves `len` (not 0) bytes for a record. Any context.
    pub(crate) fn reserve<'a>(
        &'a self,
        pinned: &'a Pinned,
        len: u64,
    ) -> Result<Reserved<'a>, Cause> {
        let Some(buffer) = self.here.here(pinned) else {
            return Err(Cause::Closed);
        };
        let slot = if self.config.usage == Usage::Smp {
            Self::reserve_in(buffer, buffer.ring(), len)?
        } else {
            Self::reserve_in(buffer, buffer.shared(), len)?
        };
        Ok(Reserved { buffer, slot })
    }

    #[inline(always)]
    fn reserve_in<R: Rmw>(buffer: &Buffer, ring: &Ring<R>, len: u64) -> Result<Slot, Cause> {
        let len = ring.discardable_len(len);
        match ring.try_reserve(len) {
            Some(slot) => Ok(slot),
            None => Self::reserve_slow(buffer, ring, len),
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn path(&self) -> &CStr {
        &self.path
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    pub(crate) fn buffers(&self) -> &[Arc<Buffer>] {
        &self.buffers
    }
}

/// The errno a writer gets.
pub(crate) fn errno(cause: Cause) -> Error {
    match cause {
        Cause::Full => ENOSPC,
        Cause::TooBig => EMSGSIZE,
        Cause::Nested | Cause::Held => EBUSY,
        Cause::Closed => ESHUTDOWN,
    }
}
