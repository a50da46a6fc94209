// SPDX-License-Identifier: GPL-2.0

//! Channels: what a client opens, writes and closes.

use crate::bindings as local;
use crate::buffer::{self, Buffer, Kind, Place};
use crate::percpu::{possible_cpus, PerCpu};
use crate::reader::{claims::Claims, Merge};
use crate::ring::Delivery;
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
mod wait;
mod write;

pub(crate) use config::MAX_FLUSH_MS;
use config::{Config, Usage};
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
    closed: AtomicBool,
}

/// What a channel knows of its descriptors.
pub(crate) struct Readers {
    pub(crate) claims: Claims,
    /// How many have a watermark that any commit may reach, where those of the channel do not.
    fine: usize,
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
    /// The same where no more is needed to write than to be on the CPU; else null.
    fast: PerCpu<Buffer>,
    #[pin]
    pub(crate) merge: Mutex<Merge>,
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
                        fine: 0,
                    },
                    "relayfs readers"
                ),
                closed: AtomicBool::new(false),
            }),
            GFP_KERNEL,
        )?;
        let buffers = Self::make_buffers(&config, &hub)?;
        let mut here = PerCpu::new()?;
        let mut fast = PerCpu::new()?;
        for cpu in possible_cpus() {
            let own = buffers
                .iter()
                .find(|b| b.place().cpu.is_none_or(|c| c == cpu));
            if let Some(buffer) = own {
                // SAFETY: The CPU is possible. The buffers live as long as the channel, that is
                // as long as `here` and `fast`.
                unsafe {
                    here.set(cpu, &**buffer);
                    if buffer.kind() == Kind::PerCpu {
                        fast.set(cpu, &**buffer);
                    }
                }
            }
        }
        let ticker = ticker::Ticker::new(&buffers)?;
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
        self.let_waiters_go();
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

    /// A descriptor begins or ends to need a look at every commit. Process context.
    pub(crate) fn need_every_commit(&self, readers: &mut Readers, before: bool, after: bool) {
        let usual = self.config.shape.spec.delivery();
        if before == after || usual == Delivery::Packet {
            return;
        }
        let (now, delivery) = if after {
            (readers.fine.wrapping_add(1), Delivery::Packet)
        } else {
            (readers.fine.wrapping_sub(1), usual)
        };
        if readers.fine == 0 || now == 0 {
            for buffer in self.buffers() {
                buffer.ring().set_delivery(delivery);
            }
            if after {
                // Writers that do not know it yet run with preemption off. What they have
                // committed is seen after this by who begins to wait.
                // SAFETY: Process context.
                unsafe { bindings::synchronize_rcu() };
            }
        }
        readers.fine = now;
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
