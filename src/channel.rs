// SPDX-License-Identifier: GPL-2.0

//! Channels: what a client opens, writes and closes.

use crate::bindings::RELAY_CPU_NONE;
use crate::buffer::{page_count, Buffer, Place, Store};
use crate::kind::Kind;
use crate::memory;
use crate::percpu::{online_cpus, possible_cpus, PerCpu};
use crate::reader::{claims::Claims, Merge};
use crate::ring::Delivery;
use crate::vfs;
use crate::wake::WaitQueue;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use kernel::bindings;
use kernel::cpu::nr_cpu_ids;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::barrier::{smp_mb, Full};
use kernel::sync::{new_mutex, Arc, Mutex};

pub(crate) mod buffers;
pub(crate) mod config;
mod flush;
pub(crate) mod hotplug;
pub(crate) mod info;
mod ticker;
mod variants;
mod wait;
mod write;

use buffers::Buffers;
pub(crate) use config::MAX_FLUSH_MS;
use config::{Config, Usage};
pub(crate) use flush::show_partial;
pub(crate) use write::Reserved;

/// What all buffers of a channel share with its readers.
#[pin_data]
pub(crate) struct Hub {
    /// Readers of the whole channel.
    #[pin]
    pub(crate) wait: WaitQueue,
    /// Writers that wait for room.
    #[pin]
    pub(crate) room: WaitQueue,
    pub(crate) waiting: wait::Waiting,
    #[pin]
    pub(crate) readers: Mutex<Readers>,
    /// How many descriptors have a watermark that any commit may reach, where those of the channel do
    /// not. Changed with `readers` locked.
    fine: AtomicUsize,
    closed: AtomicBool,
}

/// What a channel knows of its descriptors.
pub(crate) struct Readers {
    pub(crate) claims: Claims,
    open_files: u32,
}

impl Readers {
    /// A user has opened one of the files.
    pub(crate) fn opened(&mut self) {
        self.open_files = self.open_files.wrapping_add(1);
    }

    /// A file that was opened is no more.
    pub(crate) fn released(&mut self) {
        self.open_files = self.open_files.wrapping_sub(1);
    }

    pub(crate) fn open_files(&self) -> u32 {
        self.open_files
    }
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
    buffers: Arc<Buffers>,
    /// What each CPU writes to, if it has a buffer; the same for all if the channel is global.
    here: PerCpu<Store>,
    /// The same where no more is needed to write than to be on the CPU; else null.
    fast: PerCpu<Store>,
    #[pin]
    pub(crate) merge: Mutex<Merge>,
    /// The files; also guards the making of buffers.
    #[pin]
    tree: Mutex<Option<vfs::Files>>,
    pub(crate) ticker: Arc<ticker::Ticker>,
}

impl Channel {
    /// Makes a channel and its files.
    pub(crate) fn open(path: &CStr, config: Config) -> Result<Arc<Self>> {
        let path = CString::try_from(path)?;
        vfs::check_path(&path)?;
        let hub = Arc::pin_init(
            pin_init!(Hub {
                wait <- WaitQueue::new(),
                room <- WaitQueue::new(),
                waiting: wait::Waiting::new(),
                readers <- new_mutex!(
                    Readers {
                        claims: Claims::new(),
                        open_files: 0,
                    },
                    "relayfs readers"
                ),
                fine: AtomicUsize::new(0),
                closed: AtomicBool::new(false),
            }),
            GFP_KERNEL,
        )?;
        let buffers = Buffers::new(match config.usage {
            Usage::Smp => nr_cpu_ids() as usize,
            Usage::Global => 1,
        })?;
        let ticker = ticker::Ticker::new(&buffers)?;
        let (here, fast) = (PerCpu::new()?, PerCpu::new()?);
        let channel = Arc::pin_init(
            pin_init!(Self {
                config,
                path,
                hub,
                buffers,
                here,
                fast,
                merge <- new_mutex!(Merge::default(), "relayfs merge"),
                tree <- new_mutex!(None, "relayfs files"),
                ticker,
            }),
            GFP_KERNEL,
        )?;
        let result = channel.make_buffers().and_then(|()| channel.make_files());
        if let Err(error) = result {
            hotplug::delist(&channel);
            return Err(error);
        }
        Ok(channel)
    }

    fn make_buffers(self: &Arc<Self>) -> Result {
        let pages = page_count(self.config.shape.spec.geo());
        match self.config.usage {
            Usage::Smp => {
                memory::check_available(pages.saturating_mul(online_cpus().count()))?;
                self.add_cpus()
            }
            Usage::Global => {
                memory::check_available(pages)?;
                let buffer = Buffer::new(
                    self.config.shape,
                    Place::anywhere(self.config.nodes),
                    self.hub.clone(),
                )?;
                let buffer = self.buffers.fill(0, buffer)?;
                for cpu in possible_cpus() {
                    // SAFETY: The CPU is possible, and nobody else has the channel yet.
                    unsafe { self.publish(cpu, buffer) };
                }
                Ok(())
            }
        }
    }

    /// Gives `cpu` a buffer, and the buffer a file if the others have theirs, unless it is there.
    ///
    /// # Safety
    ///
    /// `cpu` must be possible, and not write to this channel meanwhile: it does not run, or the
    /// channel is not open yet.
    unsafe fn add_cpu(self: &Arc<Self>, cpu: u32) -> Result {
        let index = cpu as usize;
        let files = self.tree.lock();
        if self.buffers.get(index).is_some() {
            return Ok(());
        }
        let buffer = Buffer::new(
            self.config.shape,
            Place::of_cpu(cpu, self.config.nodes),
            self.hub.clone(),
        )?;
        if let Some(files) = &*files {
            files.add_buffer(self, &buffer)?;
        }
        // All is ready: now readers may see it, and then the writers of this CPU.
        let buffer = self.buffers.fill(index, buffer)?;
        // ORDERING: fine:B
        smp_mb(Full);
        if self.hub.fine.load(Ordering::Relaxed) != 0 {
            buffer.set_delivery(Delivery::Packet);
        }
        // Who waits for all buffers wishes anew, in this one, too.
        self.hub.wait.wake_all();
        // SAFETY: As the caller promises.
        unsafe { self.publish(cpu, buffer) };
        Ok(())
    }

    /// Lets the writers of `cpu` have `buffer`, one of this channel's.
    ///
    /// # Safety
    ///
    /// As for [`add_cpu()`](Self::add_cpu).
    unsafe fn publish(&self, cpu: u32, buffer: &Buffer) {
        let store = buffer.current();
        // SAFETY: As the caller promises. The store lives as long as its buffer, that as long as
        // `buffers`, which `self` keeps.
        unsafe {
            self.here.publish(cpu, &*store);
            if store.kind() == Kind::PerCpu {
                self.fast.publish(cpu, &*store);
            }
        }
    }

    /// All is ready: now the world may see it.
    fn make_files(self: &Arc<Self>) -> Result {
        let mut files = self.tree.lock();
        *files = Some(vfs::Files::create(self)?);
        Ok(())
    }

    /// Ends the channel. Process context.
    pub(crate) fn close(&self) {
        // From now on the buffers are those there are.
        hotplug::delist(self);
        for buffer in self.buffers.iter() {
            buffer.close();
        }
        // A writer that saw its ring open runs with preemption off: wait for all of those.
        // SAFETY: Process context.
        unsafe { bindings::synchronize_rcu() };
        self.let_waiters_go();
        self.flush();
        let files = self.tree.lock().take();
        drop(files);
        self.hub.closed.store(true, Ordering::Release);
        for buffer in self.buffers.iter() {
            buffer.bell().wait.wake_all();
        }
        self.hub.wait.wake_all();
        self.ticker.stop();
    }

    /// A descriptor begins or ends to need a look at every commit. Process context.
    pub(crate) fn need_every_commit(&self, _readers: &mut Readers, before: bool, after: bool) {
        let usual = self.config.shape.spec.delivery();
        if before == after || usual == Delivery::Packet {
            return;
        }
        let fine = self.hub.fine.load(Ordering::Relaxed);
        let (now, delivery) = if after {
            (fine.wrapping_add(1), Delivery::Packet)
        } else {
            (fine.wrapping_sub(1), usual)
        };
        self.hub.fine.store(now, Ordering::Relaxed);
        // ORDERING: fine:A
        smp_mb(Full);
        if fine == 0 || now == 0 {
            for buffer in self.buffers().iter() {
                buffer.set_delivery(delivery);
            }
            if after {
                // Writers that do not know it yet run with preemption off. What they have
                // committed is seen after this by who begins to wait.
                // SAFETY: Process context.
                unsafe { bindings::synchronize_rcu() };
            }
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

    /// The buffer of `cpu`, as clients name it.
    pub(crate) fn buffer_of(&self, cpu: u32) -> Option<&Arc<Buffer>> {
        match self.config.usage {
            Usage::Smp => self.buffers.get(cpu as usize),
            Usage::Global => self.buffers.get(0).filter(|_| cpu == RELAY_CPU_NONE),
        }
    }

    pub(crate) fn buffers(&self) -> &Buffers {
        &self.buffers
    }
}
