// SPDX-License-Identifier: GPL-2.0

//! What is read of a channel.
//!
//! An observer is in nobody's way: it never has a sub-buffer ended, as that would cost the writers, or the
//! history of a flight recorder, the rest of it. So it does not flush; it maps nothing and waits for
//! nothing, for whose sake the kernel would do it; it looks again now and then. Of a buffer's file `read(2)`
//! gives what is complete of a sub-buffer, but packets only whole. So of records the channel's file is read:
//! for who reads that the kernel makes packets of the events there are.

use super::{CpuList, Reader};
use anyhow::Result;
use relayfs::uapi::FLAG_GLOBAL;
use relayfs::{Access, Buffer, Merge, Options};
use std::thread;
use std::time::{Duration, Instant};

/// How often CPUs are looked for that have come up.
const SELDOM: Duration = Duration::from_secs(1);

/// The CPUs whose buffers are open.
pub(super) struct Cpus {
    known: Vec<u32>,
    looked: Instant,
}

impl Reader<'_> {
    pub(super) fn options(&self) -> Options {
        if self.args.observe {
            Options::observer().access(Access::Read)
        } else {
            Options::exclusive()
        }
    }

    /// Whether events are read of the file of the whole channel.
    pub(super) fn reads_whole(&self) -> bool {
        self.args.observe && self.info.is_records() && self.info.flags & FLAG_GLOBAL == 0
    }

    /// The buffers that are asked for.
    pub(super) fn buffers(&self) -> Result<(Vec<Buffer>, Cpus)> {
        let there = self.channel.cpus().map_err(|error| self.fail(error))?;
        let known = match &self.args.cpu {
            None => there,
            Some(CpuList(cpus)) => {
                if let Some(cpu) = cpus.iter().find(|cpu| !there.contains(cpu)) {
                    anyhow::bail!(
                        "{}: there is no buffer of CPU {cpu}; those there are: {there:?}",
                        self.args.channel.display()
                    );
                }
                cpus.clone()
            }
        };
        let buffers = known.iter().map(|&cpu| self.buffer(cpu));
        let buffers = buffers.collect::<Result<_>>()?;
        let looked = Instant::now();
        Ok((buffers, Cpus { known, looked }))
    }

    /// The file of the whole channel, or else the buffers that are asked for.
    pub(super) fn buffers_or(&self, whole: bool) -> Result<(Vec<Buffer>, Option<Cpus>)> {
        if !whole {
            let (buffers, cpus) = self.buffers()?;
            return Ok((buffers, Some(cpus)));
        }
        let whole = self.channel.whole(self.options());
        Ok((vec![whole.map_err(|error| self.fail(error))?], None))
    }

    fn buffer(&self, cpu: u32) -> Result<Buffer> {
        let buffer = self.channel.buffer(cpu, self.options());
        buffer.map_err(|error| self.fail(error))
    }

    /// The buffers of CPUs that have come up; looks for them now and then, and not if others were asked for.
    pub(super) fn newcomers(&self, cpus: &mut Cpus) -> Result<Vec<Buffer>> {
        let mut new = Vec::new();
        if self.args.cpu.is_some() || cpus.looked.elapsed() < SELDOM {
            return Ok(new);
        }
        cpus.looked = Instant::now();
        // A channel that is closed has no files.
        for cpu in self.channel.cpus().unwrap_or_default() {
            if !cpus.known.contains(&cpu) {
                new.push(self.buffer(cpu)?);
                cpus.known.push(cpu);
            }
        }
        Ok(new)
    }

    /// The time up to which all can be read now; 0: that is not known.
    pub(super) fn until(&self) -> Result<u64> {
        if self.args.observe {
            return Ok(0);
        }
        self.channel.flush().map_err(|error| self.fail(error))
    }

    /// Waits until there may be more.
    pub(super) fn wait(&self, merge: &mut Merge, time: Duration) -> Result<()> {
        if self.args.observe {
            thread::sleep(time);
        } else {
            merge.wait(Some(time))?;
        }
        Ok(())
    }
}
