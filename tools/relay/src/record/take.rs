// SPDX-License-Identifier: GPL-2.0

//! From buffers to files.

use super::Args;
use crate::explain;
use crate::totals::Losses;
use anyhow::{Context, Result};
use relayfs::record::Writer;
use relayfs::uapi::Info;
use relayfs::{mount, Buffer, Channel, Options, Poller, Role};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// What was recorded of a CPU.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cpu {
    pub(super) cpu: u32,
    pub(super) before: Info,
    pub(super) after: Info,
    /// Records that were overwritten before this reader read them, since the channel was opened.
    lost: u64,
    pub(super) packets: u64,
    pub(super) events: u64,
    pub(super) bytes: u64,
}

/// What was recorded of a channel.
pub(super) struct Taken {
    pub(super) name: String,
    channel: Channel,
    writer: Writer,
    pub(super) info: Info,
    pub(super) cpus: Vec<Cpu>,
    pub(super) losses: Losses,
}

/// A recording.
pub(super) struct Take {
    options: Options,
    max_size: u64,
    channels: Vec<Taken>,
    /// All buffers, and whose: channel, and CPU in it.
    buffers: Vec<Buffer>,
    of: Vec<(usize, usize)>,
    poller: Option<Poller>,
    looked: Instant,
    flushed: Instant,
}

/// How often new CPUs are looked for, and sub-buffers that are not full are ended: a mapping shows them
/// only then.
const FLUSH: Duration = Duration::from_secs(1);

/// How long an observer waits before it looks again.
const PAUSE: Duration = Duration::from_millis(20);

/// The name of a channel below DIR.
fn folder(name: &Path) -> PathBuf {
    let below = mount::find()
        .ok()
        .and_then(|mount| Some(name.strip_prefix(mount).ok()?.to_owned()));
    below.unwrap_or_else(|| {
        name.components()
            .filter(|part| matches!(part, std::path::Component::Normal(_)))
            .collect()
    })
}

impl Taken {
    fn begin(name: &Path, channel: Channel, dir: &Path) -> Result<Self> {
        let fail = |error| explain::error(error, name);
        let info = channel.info().map_err(fail)?;
        let dir = dir.join(folder(name));
        let shown = name.to_string_lossy().into_owned();
        let writer = match channel.metadata_text().map_err(fail)? {
            Some(metadata) => Writer::records(&dir, &metadata),
            None => Writer::raw(&dir, &shown, &info),
        };
        Ok(Self {
            name: shown,
            channel,
            writer: writer.context("cannot record")?,
            info,
            cpus: Vec::new(),
            losses: Losses::default(),
        })
    }

    /// Writes what there is in the buffer of the CPU at `at`, as long as `go_on` says so. Whether there was
    /// anything.
    fn copy(
        &mut self,
        at: usize,
        buffer: &mut Buffer,
        go_on: &dyn Fn(&Writer, u64) -> bool,
    ) -> Result<bool> {
        let Some(cpu) = self.cpus.get_mut(at) else {
            return Ok(false);
        };
        let stream = format!("cpu{}", cpu.cpu_of_file());
        let mut any = false;
        while let Some(subbuf) = buffer.next_subbuf()? {
            for lost in subbuf.lost() {
                self.losses.gap(&lost);
            }
            let before = self.writer.totals();
            self.writer.write(&stream, &subbuf)?;
            let after = self.writer.totals();
            cpu.packets += after.packets - before.packets;
            cpu.events += after.events - before.events;
            cpu.bytes += after.bytes - before.bytes;
            any = true;
            if !go_on(&self.writer, subbuf.begin()) {
                break;
            }
        }
        Ok(any)
    }
}

impl Cpu {
    fn cpu_of_file(&self) -> u32 {
        if self.cpu == relayfs::uapi::CPU_NONE {
            0
        } else {
            self.cpu
        }
    }

    /// Records that were recorded. Of a raw channel the kernel knows how many they are.
    pub(super) fn records(&self, observe: bool) -> u64 {
        if self.after.is_records() {
            self.events
        } else if observe {
            self.produced().saturating_sub(self.overwritten())
        } else {
            self.after.read.less(self.before.read).records
        }
    }

    /// Records that were overwritten before they could be recorded.
    pub(super) fn overwritten(&self) -> u64 {
        self.lost.saturating_sub(self.before.overwritten.records)
    }

    /// Records that could have been recorded: what there was, and what came.
    pub(super) fn produced(&self) -> u64 {
        self.after.produced.less(self.before.gone()).records
    }
}

impl Take {
    pub(super) fn begin(args: &Args) -> Result<Self> {
        let mut take = Self {
            options: args.options(),
            max_size: args.max_size.unwrap_or(u64::MAX),
            channels: Vec::new(),
            buffers: Vec::new(),
            of: Vec::new(),
            poller: None,
            looked: Instant::now(),
            flushed: Instant::now(),
        };
        // Nothing is written before it is known that it can be read.
        let mut opened = Vec::new();
        for name in &args.channels {
            let fail = |error| explain::error(error, name);
            let channel = explain::open(name)?;
            let buffers = channel.buffers(take.options).map_err(fail)?;
            opened.push((channel, buffers));
        }
        for (name, (channel, buffers)) in args.channels.iter().zip(opened) {
            take.channels
                .push(Taken::begin(name, channel, &args.output)?);
            for buffer in buffers {
                take.add(take.channels.len() - 1, buffer);
            }
        }
        take.look_for_cpus()?;
        Ok(take)
    }

    /// Opens the buffers that are not open yet.
    fn look_for_cpus(&mut self) -> Result<()> {
        self.looked = Instant::now();
        let mut new = Vec::new();
        for (at, taken) in self.channels.iter().enumerate() {
            // A channel that is closed has no files.
            let cpus = taken.channel.cpus().unwrap_or_default();
            for cpu in cpus {
                if taken.cpus.iter().any(|known| known.cpu_of_file() == cpu) {
                    continue;
                }
                let fail = |error| explain::error(error, Path::new(&taken.name));
                let buffer = taken.channel.buffer(cpu, self.options).map_err(fail)?;
                new.push((at, buffer));
            }
        }
        if !new.is_empty() || self.poller.is_none() {
            for (at, buffer) in new {
                self.add(at, buffer);
            }
            // For the sake of one that waits the kernel ends sub-buffers: an observer does not.
            if self.options.role != Role::Observer {
                self.poller = Some(Poller::new(&self.buffers)?);
            }
        }
        Ok(())
    }

    /// Adds a buffer of the channel at `at`.
    fn add(&mut self, at: usize, buffer: Buffer) {
        let before = *buffer.opened();
        if let Some(taken) = self.channels.get_mut(at) {
            self.of.push((at, taken.cpus.len()));
            self.buffers.push(buffer);
            taken.cpus.push(Cpu {
                cpu: before.cpu,
                before,
                after: before,
                lost: 0,
                packets: 0,
                events: 0,
                bytes: 0,
            });
        }
    }

    /// How many bytes were written.
    pub(super) fn bytes(&self) -> u64 {
        let totals = self
            .channels
            .iter()
            .map(|taken| taken.writer.totals().bytes);
        totals.sum()
    }

    /// Whether there will never be more.
    pub(super) fn is_ended(&self) -> bool {
        self.buffers.iter().all(Buffer::is_ended)
    }

    /// Records what there is, of each buffer as much as is its turn. Whether there was anything.
    pub(super) fn some(&mut self, stop: &dyn Fn() -> bool) -> Result<bool> {
        // Also when there is always more.
        if self.looked.elapsed() >= FLUSH {
            self.look_for_cpus()?;
        }
        let mut any = false;
        for at in 0..self.buffers.len() {
            let rest = self.max_size.saturating_sub(self.bytes());
            let most = rest.min(self.turn(at));
            any |= self.copy(at, &|writer, had, _| {
                !stop() && writer.totals().bytes.saturating_sub(had) < most
            })?;
        }
        Ok(any)
    }

    /// How many bytes of a buffer are recorded before it is another's turn: while one is emptied the others
    /// fill, and so a small part of what they hold.
    fn turn(&self, at: usize) -> u64 {
        let info = self
            .buffers
            .get(at)
            .map_or_else(Info::default, |buffer| *buffer.opened());
        let all = info.subbuf_size.saturating_mul(info.n_subbufs.into());
        (all / 8).max(info.subbuf_size)
    }

    /// Records what there is in a buffer, as long as `go_on` says so, of the writer, what it had written
    /// before, and when the last sub-buffer was begun.
    fn copy(&mut self, at: usize, go_on: &dyn Fn(&Writer, u64, u64) -> bool) -> Result<bool> {
        let (Some(buffer), Some(&(channel, cpu))) = (self.buffers.get_mut(at), self.of.get(at))
        else {
            return Ok(false);
        };
        let Some(taken) = self.channels.get_mut(channel) else {
            return Ok(false);
        };
        let had = taken.writer.totals().bytes;
        taken
            .copy(cpu, buffer, &|writer, begin| go_on(writer, had, begin))
            .with_context(|| taken.name.clone())
    }

    /// Waits for more.
    pub(super) fn wait(&mut self, time: Duration) -> Result<()> {
        let Some(poller) = &self.poller else {
            thread::sleep(time.min(PAUSE));
            return Ok(());
        };
        poller.wait(&self.buffers, Some(time))?;
        if self.flushed.elapsed() >= FLUSH {
            self.flushed = Instant::now();
            for taken in &self.channels {
                // What waits in sub-buffers may be the beginning of something, and there is room.
                taken.channel.flush()?;
            }
        }
        Ok(())
    }

    /// Records what was written to each channel before a time, or, where times are not known, as much as a
    /// buffer holds.
    fn copy_until(&mut self, times: &[u64]) -> Result<()> {
        // How much is left of each buffer.
        let mut left: Vec<u64> = self
            .buffers
            .iter()
            .map(|buffer| {
                let info = buffer.opened();
                info.subbuf_size
                    .saturating_mul(u64::from(info.n_subbufs) + 1)
            })
            .collect();
        while left.iter().any(|&left| left != 0) {
            for (at, left) in left.iter_mut().enumerate().filter(|(_, left)| **left != 0) {
                let channel = self.of.get(at).map_or(0, |&(channel, _)| channel);
                let until = times.get(channel).copied().unwrap_or(0);
                let most = self.turn(at).min(*left);
                let late = Cell::new(false);
                let had = self.bytes();
                let any = self.copy(at, &|writer, had, begin| {
                    late.set(until != 0 && begin > until);
                    !late.get() && writer.totals().bytes.saturating_sub(had) < most
                })?;
                *left = match any && !late.get() {
                    true => left.saturating_sub(self.bytes() - had),
                    false => 0,
                };
            }
        }
        Ok(())
    }

    /// Records what was written until now, and no more.
    pub(super) fn finish(mut self) -> Result<Vec<Taken>> {
        let mut until = Vec::new();
        for taken in &self.channels {
            // Of bytes an observer has those that are there.
            let observes = self.options.role == Role::Observer && !taken.info.is_records();
            until.push(if observes { 0 } else { taken.channel.flush()? });
        }
        self.copy_until(&until)?;
        for (buffer, &(channel, cpu)) in self.buffers.iter().zip(&self.of) {
            let Some(taken) = self.channels.get_mut(channel) else {
                continue;
            };
            if let Some(cpu) = taken.cpus.get_mut(cpu) {
                cpu.after = buffer.info()?;
                cpu.lost = buffer.overwritten()?.records;
                taken.losses.refused(cpu.cpu, &cpu.before, &cpu.after);
                taken.losses.overwritten(cpu.cpu, cpu.overwritten());
            }
        }
        for taken in &mut self.channels {
            taken.writer.flush()?;
            let after = taken.channel.info()?;
            let buffers = taken.cpus.iter().map(|cpu| (&cpu.before, &cpu.after));
            taken.losses.without_buffer(&taken.info, &after, buffers);
            taken.cpus.sort_unstable_by_key(|cpu| cpu.cpu);
        }
        Ok(self.channels)
    }
}
