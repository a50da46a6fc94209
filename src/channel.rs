// SPDX-License-Identifier: GPL-2.0

//! Channels: what a client opens, writes and closes.

use crate::bindings as local;
use crate::buffer::{page_count, Buffer, Place, Store};
use crate::callbacks::Callbacks;
use crate::handles::Handle;
use crate::kind::Kind;
use crate::memory;
use crate::percpu::{online_cpus, possible_cpus, PerCpu};
use crate::reader::{claims::Claims, Merge};
use crate::ring::sync::full_barrier;
use crate::vfs;
use crate::wake::WaitQueue;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use kernel::bindings;
use kernel::cpu::nr_cpu_ids;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::{new_mutex, Arc, Mutex, SetOnce};

pub(crate) mod buffers;
pub(crate) mod config;
mod events;
mod flush;
pub(crate) mod hotplug;
pub(crate) mod info;
pub(crate) mod list;
pub(crate) mod records;
mod resize;
pub(crate) mod resizer;
mod ticker;
mod user;
mod variants;
mod wait;
mod write;

use buffers::Buffers;
pub(crate) use config::MAX_FLUSH_MS;
use config::{Config, Usage};
pub(crate) use flush::{on_owner, show_partial};
use records::Records;
use resize::{Present, Swap};
use resizer::Resizer;
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
    #[pin]
    pub(crate) callbacks: Callbacks,
    #[pin]
    pub(crate) resizer: Resizer,
    /// The lowest watermark of a descriptor, in bytes. Changed with `readers` locked.
    fine: AtomicU64,
    closed: AtomicBool,
    /// Descriptors that want a signal when there is something to read.
    pub(crate) asyncs: AtomicU32,
    /// How often readers of the whole channel were given something older than what they had got.
    pub(crate) late: AtomicU64,
}

/// What a channel knows of its descriptors.
pub(crate) struct Readers {
    pub(crate) claims: Claims,
    open_files: u32,
    /// Of these, those that observe.
    observers: u32,
    /// The watermarks descriptors have of their own, in bytes.
    watermarks: KVec<u64>,
}

impl Readers {
    /// A descriptor's own watermark changes; 0: none.
    pub(crate) fn replace_watermark(&mut self, before: u64, after: u64) -> Result {
        if after != 0 {
            self.watermarks.push(after, GFP_KERNEL)?;
        }
        let mut own = self.watermarks.iter();
        if let Some(at) = own.position(|&n| before != 0 && n == before) {
            // It is there, so this does not fail.
            let _ = self.watermarks.remove(at);
        }
        Ok(())
    }

    /// The lowest of them; the largest number, if there is none.
    fn lowest_watermark(&self) -> u64 {
        self.watermarks.iter().copied().min().unwrap_or(u64::MAX)
    }

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

    /// One of them begins to observe, or one that did goes.
    pub(crate) fn count_observer(&mut self, begins: bool) {
        let step = if begins { 1 } else { 1u32.wrapping_neg() };
        self.observers = self.observers.wrapping_add(step);
    }

    pub(crate) fn observers(&self) -> u32 {
        self.observers
    }
}

impl Hub {
    /// Nothing will be written any more.
    pub(crate) fn is_closed(&self) -> bool {
        // ORDERING: closed:B
        self.closed.load(Ordering::Acquire)
    }
}

/// A channel.
#[pin_data]
pub(crate) struct Channel {
    config: Config,
    /// Where its files are, if it has any.
    path: Option<CString>,
    hub: Arc<Hub>,
    buffers: Arc<Buffers>,
    /// What each CPU writes to, if it has a buffer; the same for all if the channel is global.
    here: PerCpu<Store>,
    /// The same where no more is needed to write than to be on the CPU; else null.
    fast: PerCpu<Store>,
    #[pin]
    pub(crate) merge: Mutex<Merge>,
    /// The files; also guards the making of buffers, and what they are like.
    #[pin]
    tree: Mutex<Option<vfs::Files>>,
    /// Their directory.
    pub(crate) directory: SetOnce<Handle>,
    /// What the buffers are like now.
    present: Present,
    #[pin]
    swap: Mutex<Swap>,
    /// There is something to go over to.
    ready: AtomicBool,
    pub(crate) ticker: Arc<ticker::Ticker>,
    /// What users write goes there, if not into the stream.
    inbound: Option<Arc<Channel>>,
}

impl Channel {
    /// Opens a channel, with its files if it has a path.
    pub(crate) fn open(path: Option<&CStr>, config: Config) -> Result<Arc<Self>> {
        let channel = Self::make(path, config)?;
        if let Err(error) = list::add(&channel) {
            channel.close();
            return Err(error);
        }
        Ok(channel)
    }

    /// Makes a channel nobody is shown in the list of all.
    fn make(path: Option<&CStr>, config: Config) -> Result<Arc<Self>> {
        path.map_or(Ok(()), vfs::check_path)?;
        let path = path.map(CString::try_from).transpose()?;
        let inbound = match config.inbound() {
            Some(config) => Some(Self::make(None, config)?),
            None => None,
        };
        let hub = Arc::pin_init(
            pin_init!(Hub {
                wait <- WaitQueue::new(),
                room <- WaitQueue::new(),
                waiting: wait::Waiting::new(),
                readers <- new_mutex!(
                    Readers {
                        claims: Claims::new(),
                        open_files: 0,
                        observers: 0,
                        watermarks: KVec::new(),
                    },
                    "relayfs readers"
                ),
                callbacks <- Callbacks::new(config.callbacks),
                resizer <- Resizer::new(config.limits),
                fine: AtomicU64::new(u64::MAX),
                closed: AtomicBool::new(false),
                asyncs: AtomicU32::new(0),
                late: AtomicU64::new(0),
            }),
            GFP_KERNEL,
        )?;
        let buffers = Buffers::new(match config.usage {
            Usage::Smp => nr_cpu_ids() as usize,
            Usage::Global => 1,
        })?;
        let ticker = ticker::Ticker::new(&buffers)?;
        let (here, fast) = (PerCpu::new()?, PerCpu::new()?);
        let geo = config.shape.spec.geo();
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
                directory: SetOnce::new(),
                present: Present::new(geo),
                swap <- new_mutex!(Swap::new(), "relayfs swap"),
                ready: AtomicBool::new(false),
                ticker,
                inbound,
            }),
            GFP_KERNEL,
        )?;
        let handle = Arc::as_ptr(&channel).cast_mut().cast::<local::rchan>();
        channel.hub.callbacks.set_channel(handle);
        // Before anybody can write: users can as soon as there are files.
        // SAFETY: The hub does not move, and whoever has the channel ends it before it is no more.
        unsafe { channel.hub.resizer.start(&channel) };
        let result = channel.make_buffers().and_then(|()| channel.make_files());
        if let Err(error) = result {
            // A user may have found a file, and wait at it.
            channel.close();
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
                if self.config.lent.is_none() {
                    memory::check_available(pages)?;
                }
                let buffer = Buffer::new(
                    self.config.shape,
                    Place::anywhere(self.config.nodes),
                    self.hub.clone(),
                    0,
                    self.config.lent,
                )?;
                let buffer = self.buffers.fill(0, buffer)?;
                for cpu in possible_cpus() {
                    // SAFETY: The CPU is possible, and the buffer keeps its store.
                    unsafe { self.publish(cpu, &buffer.current()) };
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
            self.shape(),
            Place::of_cpu(cpu, self.config.nodes),
            self.hub.clone(),
            self.generation(),
            None,
        )?;
        if let Some(files) = &*files {
            files.add_buffer(self, &buffer)?;
        }
        // All is ready: now readers may see it, and then the writers of this CPU.
        let buffer = self.buffers.fill(index, buffer)?;
        self.heed_watermark_in(buffer);
        // Who waits for all buffers wishes anew, in this one, too.
        self.hub.wait.wake_all();
        // SAFETY: As the caller promises; the buffer keeps its store.
        unsafe { self.publish(cpu, &buffer.current()) };
        Ok(())
    }

    /// Lets the writers of `cpu` have `store`.
    ///
    /// # Safety
    ///
    /// `cpu` must be possible; `store` be its, or that of all, and be kept as long as the channel, or
    /// until another was published and all writers that were pinned then are no longer.
    unsafe fn publish(&self, cpu: u32, store: &Store) {
        // SAFETY: As the caller promises.
        unsafe {
            self.here.publish(cpu, store);
            if store.kind() == Kind::PerCpu {
                self.fast.publish(cpu, store);
            }
        }
    }

    /// All is ready: now the world may see it.
    fn make_files(self: &Arc<Self>) -> Result {
        let mut files = self.tree.lock();
        if let Some(path) = self.path() {
            let made = vfs::Files::create(self, path)?;
            if let Some(directory) = made.directory() {
                self.directory.populate(directory);
            }
            *files = Some(made);
        }
        Ok(())
    }

    /// Ends the channel. Process context.
    pub(crate) fn close(&self) {
        list::remove(self);
        // From now on the buffers are those there are, and what they are.
        hotplug::delist(self);
        self.end_resizes();
        for buffer in self.buffers.iter() {
            buffer.close();
        }
        // A writer that saw its ring open runs with preemption off: wait for all of those.
        // SAFETY: Process context.
        unsafe { bindings::synchronize_rcu() };
        self.let_waiters_go();
        if let Some(inbound) = &self.inbound {
            inbound.close();
        }
        self.flush();
        self.tell_the_rest();
        self.throw_lent();
        let mut files = self.tree.lock().take();
        if let Some(files) = &mut files {
            files.leave();
        }
        // ORDERING: closed:A
        self.hub.closed.store(true, Ordering::Release);
        vfs::forget_file_data(self);
        for buffer in self.buffers.iter() {
            buffer.bell().wait.wake_all();
        }
        self.hub.wait.wake_all();
        self.hub.room.wake_all();
        self.ticker.stop();
        for buffer in self.buffers.iter() {
            buffer.bell().sync();
        }
        // Waits, too, for signals that are still at work on other CPUs.
        self.hub.callbacks.shut();
        // Waits for what runs of the client's operations, which may have waited for this.
        drop(files);
    }

    /// The watermarks of descriptors have changed. Process context.
    pub(crate) fn heed_watermarks(&self, readers: &Readers) {
        let lowest = readers.lowest_watermark();
        let before = self.hub.fine.swap(lowest, Ordering::Relaxed);
        // ORDERING: fine:A
        full_barrier();
        for buffer in self.buffers().iter() {
            buffer.heed_watermark(lowest);
        }
        if lowest < before && lowest < self.shape().spec.geo().subbuf_size() {
            // Writers that do not know it yet run with preemption off. What they have committed is
            // seen after this by who begins to wait.
            // SAFETY: Process context.
            unsafe { bindings::synchronize_rcu() };
        }
    }

    /// A buffer, or what it is written to, is new.
    fn heed_watermark_in(&self, buffer: &Buffer) {
        // ORDERING: fine:B
        full_barrier();
        buffer.heed_watermark(self.hub.fine.load(Ordering::Relaxed));
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// What its packets look like, if its sub-buffers are packets.
    pub(crate) fn metadata(&self) -> Option<&CStr> {
        self.config.records.as_ref().map(Records::metadata)
    }

    pub(crate) fn path(&self) -> Option<&CStr> {
        self.path.as_deref()
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The buffer of `cpu`, as clients name it.
    pub(crate) fn buffer_of(&self, cpu: u32) -> Option<&Arc<Buffer>> {
        match self.config.usage {
            Usage::Smp => self.buffers.get(cpu as usize),
            Usage::Global => self.buffers.get(0).filter(|_| cpu == local::RELAY_CPU_NONE),
        }
    }

    /// What kernel readers read of a duplex channel: what users write.
    pub(crate) fn inbound(&self) -> Option<&Arc<Channel>> {
        self.inbound.as_ref()
    }

    pub(crate) fn buffers(&self) -> &Buffers {
        &self.buffers
    }
}
