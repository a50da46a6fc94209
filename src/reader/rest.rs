// SPDX-License-Identifier: GPL-2.0

//! The rest of a packet. Who moves bytes to a pipe cannot be given whole packets only: what the pipe has no
//! room for may fit when it was emptied, or never. So a packet that is too long is consumed as a whole, what
//! fits is moved, and the rest stays with the open file, for whoever reads from that next.

use super::descriptor::Descriptor;
use super::merge::Patience;
use super::waiting::Wait;
use super::{into_memory, Outcome, View};
use crate::buffer::Buffer;
use crate::ring::{left_behind, packet_in, Count};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::iov::IovIterDest;
use kernel::prelude::*;
use kernel::sync::{new_mutex, Mutex};

/// What an open file has consumed and not given away.
#[pin_data]
pub(super) struct Rest {
    #[pin]
    packets: Mutex<Packets>,
    /// How many bytes, for those who may not sleep.
    left: AtomicUsize,
}

/// Whole packets, mostly one, of which the first `taken` bytes were given away.
#[derive(Default)]
struct Packets {
    bytes: KVVec<u8>,
    taken: usize,
}

impl Packets {
    fn left(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }
}

impl Rest {
    fn new() -> Result<Pin<KBox<Self>>> {
        KBox::pin_init(
            pin_init!(Self {
                packets <- new_mutex!(Packets::default(), "relayfs rest"),
                left: AtomicUsize::new(0),
            }),
            GFP_KERNEL,
        )
    }

    /// Copies as much as fits; `None` if there is nothing.
    fn take(&self, to: &mut IovIterDest<'_>) -> Option<Result<Outcome>> {
        let mut packets = self.packets.lock();
        let wanted = packets.left().len().min(to.len());
        if wanted == 0 {
            return None;
        }
        let n = to.copy_to_iter(packets.left());
        packets.taken = packets.taken.wrapping_add(n);
        self.left.store(packets.left().len(), Ordering::Relaxed);
        if packets.left().is_empty() {
            *packets = Packets::default();
        }
        Some(if n == 0 {
            Err(EFAULT)
        } else {
            Ok(Outcome::Copied(n))
        })
    }

    /// Keeps what `read` gives with memory for `len` bytes, if nothing is kept yet.
    fn put(
        &self,
        len: usize,
        read: impl FnOnce(&mut IovIterDest<'_>) -> Result<Outcome>,
    ) -> Result<Outcome> {
        let mut packets = self.packets.lock();
        if !packets.left().is_empty() {
            return Ok(Outcome::Copied(0));
        }
        let mut bytes = KVVec::zeroed(len, GFP_KERNEL_ACCOUNT)?;
        let to = NonNull::from(bytes.as_mut_slice()).cast();
        // SAFETY: So long it is, and nobody else uses it.
        let outcome = unsafe { into_memory(to, len, read) }?;
        if let Outcome::Copied(n) = outcome {
            bytes.truncate(n);
            self.left.store(n, Ordering::Relaxed);
            *packets = Packets { bytes, taken: 0 };
        }
        Ok(outcome)
    }
}

impl Descriptor {
    /// Whether it has begun to give a packet away. Does not sleep.
    pub(super) fn has_rest(&self) -> bool {
        self.left_of_rest() != 0
    }

    /// In bytes.
    pub(super) fn left_of_rest(&self) -> usize {
        let rest = self.rest.as_ref();
        rest.map_or(0, |rest| rest.left.load(Ordering::Relaxed))
    }

    /// Copies what it has of a packet that it has begun to give away; `None` if there is no such.
    pub(super) fn take_rest(&self, to: &mut IovIterDest<'_>) -> Option<Result<Outcome>> {
        self.has_rest().then(|| self.rest.as_ref()?.take(to))?
    }

    /// Reads what there is now, of packets also parts. `wait`: if somebody waits for what there is not.
    pub(crate) fn read_parts(&self, to: &mut IovIterDest<'_>, wait: Wait) -> Result<usize> {
        self.begin_reading()?;
        let patience = wait.patience();
        self.wait_until(Wait::No, || loop {
            match self.read_now(to, patience) {
                Err(error) if error == EMSGSIZE => match self.keep_next(patience) {
                    // Others who read were quicker, and another is next now.
                    Err(error) if error == EMSGSIZE => {}
                    Ok(Outcome::Copied(_)) => {}
                    result => return result,
                },
                result => return result,
            }
        })
    }

    /// Consumes the next packet, of which all is the rest then.
    fn keep_next(&self, patience: Patience) -> Result<Outcome> {
        let rest = match self.rest.as_ref() {
            Some(rest) => rest,
            None => {
                // Another thread may have been quicker.
                self.rest.populate(Rest::new()?);
                self.rest.as_ref().ok_or(ENOMEM)?
            }
        };
        let mut len = 0u64;
        self.any_position(|buffer, at| {
            len = len.max(buffer.next_packet(at, self.manner()));
            false
        });
        let outcome = rest.put(len as usize, |to| self.read_ring(to, patience));
        // Who waits with the same open file may not have seen it on its way.
        self.queue().wake_all();
        outcome
    }

    /// It goes: what a consumer has not given away nobody gets.
    pub(super) fn give_up_rest(&self) {
        let (View::Consumer, Some(rest)) = (self.view(), self.rest.as_ref()) else {
            return;
        };
        let packets = core::mem::take(&mut *rest.packets.lock());
        let (mut bytes, mut taken) = (packets.bytes.as_slice(), packets.taken);
        while let Some((len, cpu)) = packet_in(bytes) {
            let Some((packet, others)) = bytes.split_at_checked(len) else {
                break;
            };
            let buffers = self.channel().buffers();
            let of_cpu = || buffers.get(cpu as usize).or_else(|| buffers.get(0));
            if let Some(buffer) = self.buffer().or_else(of_cpu) {
                buffer.count_missed(left_behind(packet, taken));
            }
            (bytes, taken) = (others, taken.saturating_sub(len));
        }
    }
}

impl Buffer {
    /// Of what the consumer has read nobody got so much.
    fn count_missed(&self, count: Count) {
        let at = &self.consumer;
        let mut place = self.lock(at);
        at.miss(&mut place, count);
    }
}
