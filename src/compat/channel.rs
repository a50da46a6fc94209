// SPDX-License-Identifier: GPL-2.0

//! A channel as a client of the kernel's relay knows it: its life, its buffers and their files.

use super::bindings as c;
use super::buf::Buf;
use super::{hotplug, pending};
use crate::bindings as local;
use crate::channel::{config::Config, Channel};
use crate::percpu::{online_cpus, possible_cpus, PerCpu, Pinned};
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::bindings;
use kernel::cpu::nr_cpu_ids;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::{Arc, SetOnce};
use kernel::types::Opaque;

/// A channel.
///
/// # Invariants
///
/// `c.buf` is the allocation of `here`, `c.cb` valid.
#[repr(C)]
pub(super) struct Chan {
    // First: its address is that of the whole.
    c: Opaque<c::rchan>,
    /// What each CPU writes to; the same for all if the channel is global.
    here: PerCpu<Buf>,
    /// By CPU; the first only if the channel is global.
    bufs: KVVec<SetOnce<KBox<Buf>>>,
    inner: SetOnce<Arc<Channel>>,
    /// What CPUs without a buffer did not write.
    lost: AtomicU64,
}

// SAFETY: What C sees is set before it is shared, but for what is the client's.
unsafe impl Send for Chan {}
// SAFETY: As above.
unsafe impl Sync for Chan {}

/// What a client asks for.
pub(super) struct Wanted<'a> {
    pub(super) name: Option<&'a CStr>,
    pub(super) parent: *mut bindings::dentry,
    pub(super) subbuf_size: usize,
    pub(super) n_subbufs: usize,
    pub(super) cb: &'a c::rchan_callbacks,
    pub(super) private_data: *mut kernel::ffi::c_void,
}

/// Owner may read.
const MODE: u16 = 0o400;

impl Chan {
    /// # Safety
    ///
    /// `chan` must come from [`Chan::open`], and not be closed as long as the result is used.
    pub(super) unsafe fn from_ptr<'a>(chan: *const c::rchan) -> &'a Self {
        // SAFETY: As the caller promises; it is the first field.
        unsafe { &*chan.cast::<Self>() }
    }

    pub(super) fn as_ptr(&self) -> *mut c::rchan {
        self.c.get()
    }

    /// Makes a channel, and its buffers and files.
    ///
    /// # Safety
    ///
    /// The callbacks must be what `relay_open()` asks for, and stay until the channel is closed.
    pub(super) unsafe fn open(wanted: &Wanted<'_>) -> Result<KBox<Self>> {
        let this = Self::new(wanted)?;
        // SAFETY: As the caller promises.
        let result = unsafe { this.fill() };
        if let Err(error) = result {
            this.close();
            return Err(error);
        }
        Ok(this)
    }

    fn new(wanted: &Wanted<'_>) -> Result<KBox<Self>> {
        let Wanted {
            subbuf_size,
            n_subbufs,
            ..
        } = *wanted;
        let size = subbuf_size.checked_mul(n_subbufs).ok_or(E2BIG)?;
        if size == 0 || size > u32::MAX as usize {
            return Err(EINVAL);
        }
        let mut bufs = KVVec::new();
        for _ in 0..nr_cpu_ids() {
            bufs.push(SetOnce::new(), GFP_KERNEL)?;
        }
        let here = PerCpu::<Buf>::new()?;
        let mut seen = c::rchan {
            version: c::RELAYFS_CHANNEL_VERSION,
            subbuf_size,
            n_subbufs,
            cb: wanted.cb,
            private_data: wanted.private_data,
            buf: here.as_ptr().cast(),
            parent: wanted.parent,
            ..c::rchan::default()
        };
        if let Some(name) = wanted.name {
            let name = name.to_bytes_with_nul();
            let to = seen.base_filename.get_mut(..name.len());
            for (to, from) in to.ok_or(ENAMETOOLONG)?.iter_mut().zip(name) {
                *to = *from;
            }
            seen.has_base_filename = 1;
        }
        // INVARIANT: As just set.
        let this = Self {
            c: Opaque::new(seen),
            here,
            bufs,
            inner: SetOnce::new(),
            lost: AtomicU64::new(0),
        };
        Ok(KBox::new(this, GFP_KERNEL)?)
    }

    /// # Safety
    ///
    /// As for [`Chan::open`].
    unsafe fn fill(&self) -> Result {
        // A CPU that comes or goes meanwhile is looked after below.
        for cpu in online_cpus() {
            // SAFETY: As the caller promises.
            unsafe { self.add_buf(cpu)? };
            if self.is_global() {
                break;
            }
        }
        let reserve = match self.bufs().next() {
            Some(buf) => buf.starter().begin(),
            None => return Err(ENODEV),
        };
        let channel = Channel::open(None, self.config(reserve)?)?;
        // SAFETY: Nobody else has it yet.
        unsafe {
            let geo = channel.config().shape.spec.geo();
            (*self.c.get()).alloc_size = geo.ring_size() as usize;
        }
        for (at, buf) in self.bufs().enumerate() {
            if at != 0 {
                buf.starter().begin();
            }
            buf.starter().set_reserve(reserve);
        }
        self.inner.populate(channel.clone());
        // SAFETY: `close()` takes it off.
        unsafe { hotplug::enlist(self, || self.join(&channel)) }
    }

    /// Makes the buffers those of `channel`, and lets writers have them. Nobody else has it yet, and no
    /// CPU comes up meanwhile.
    fn join(&self, channel: &Arc<Channel>) -> Result {
        if self.is_global() {
            let buf = self.bufs().next().ok_or(ENODEV)?;
            buf.join(channel, 0);
            for cpu in possible_cpus() {
                // SAFETY: The CPU is possible, and nobody writes to the channel yet.
                unsafe { self.here.publish(cpu, buf) };
            }
            return Ok(());
        }
        for cpu in possible_cpus() {
            if channel.buffers().get(cpu as usize).is_some() {
                // SAFETY: As above.
                unsafe { self.add_cpu(cpu)? };
            }
        }
        Ok(())
    }

    /// Gives a CPU its buffer if each has one.
    ///
    /// # Safety
    ///
    /// The channel must be open, and `cpu` not run.
    pub(super) unsafe fn cpu_comes_up(&self, cpu: u32) -> Result {
        if self.is_global() {
            return Ok(());
        }
        let channel = self.inner.as_ref().ok_or(EINVAL)?;
        channel.buffers().get(cpu as usize).ok_or(ENOMEM)?;
        // SAFETY: As the caller promises.
        unsafe { self.add_cpu(cpu) }
    }

    /// Gives `cpu` its buffer, which is there of our own.
    ///
    /// # Safety
    ///
    /// As for [`Chan::open`]. `cpu` must be possible, and not write to the channel meanwhile.
    unsafe fn add_cpu(&self, cpu: u32) -> Result {
        let channel = self.inner.as_ref().ok_or(EINVAL)?;
        if self.buf(cpu).is_none() {
            // SAFETY: As the caller promises.
            unsafe { self.add_buf(cpu)? };
            if let (Some(buf), Some(first)) = (self.buf(cpu), self.bufs().next()) {
                buf.starter().begin();
                buf.starter().set_reserve(first.starter().reserve());
            }
        }
        if let Some(buf) = self.buf(cpu) {
            buf.join(channel, cpu as usize);
            // SAFETY: As the caller promises; the buffer lives as long as this.
            unsafe { self.here.publish(cpu, buf) };
        }
        Ok(())
    }

    /// Makes the buffer of a CPU and its file; the only one if the client wants that.
    ///
    /// # Safety
    ///
    /// As for [`Chan::open`].
    unsafe fn add_buf(&self, cpu: u32) -> Result {
        let first = self.bufs().next().is_none();
        // The first may turn out to be for all.
        let cpus = if first { nr_cpu_ids() as usize } else { 1 };
        // SAFETY: The channel outlives its buffers.
        let buf = unsafe { Buf::new(self.as_ptr(), cpu, cpus)? };
        let dentry = self.create_file(&buf, cpu)?;
        if self.has_name() {
            // SAFETY: Nobody has it yet but who opens the file.
            unsafe { buf.set_dentry(dentry) };
        }
        let index = if self.is_global() {
            // SAFETY: As above.
            unsafe { (*buf.as_ptr()).cpu = 0 };
            0
        } else {
            cpu as usize
        };
        let place = self.bufs.get(index).ok_or(EINVAL)?;
        place.populate(buf);
        Ok(())
    }

    fn create_file(&self, buf: &Buf, cpu: u32) -> Result<*mut bindings::dentry> {
        let chan = self.as_ptr();
        // SAFETY: By the type invariants.
        let create = unsafe { (*(*chan).cb).create_buf_file }.ok_or(EINVAL)?;
        let (name, parent) = if self.has_name() {
            let name = CString::try_from_fmt(fmt!("{}{cpu}", self.name()))?;
            // SAFETY: Set before it was shared.
            (Some(name), unsafe { (*chan).parent })
        } else {
            (None, core::ptr::null_mut())
        };
        let name_ptr = name
            .as_ref()
            .map_or(core::ptr::null(), |name| name.as_char_ptr());
        // SAFETY: The client's callback, called as it is documented to be.
        let dentry = unsafe {
            create(
                name_ptr,
                parent,
                MODE,
                buf.as_ptr(),
                &raw mut (*chan).is_global,
            )
        };
        let dentry = kernel::error::from_err_ptr(dentry)?;
        if dentry.is_null() {
            return Err(ENODEV);
        }
        Ok(dentry)
    }

    /// What our own channel is to be like.
    fn config(&self, reserve: u32) -> Result<Config> {
        // SAFETY: Set before it was shared.
        let (subbuf_size, n_subbufs) = unsafe {
            let chan = &*self.as_ptr();
            (chan.subbuf_size as u64, chan.n_subbufs as u64)
        };
        let usage = if self.is_global() {
            local::RELAY_USAGE_GLOBAL
        } else {
            local::RELAY_USAGE_SMP
        };
        let attr = local::rchan_attr {
            size: size_of::<local::rchan_attr>() as u32,
            flags: usage | local::RELAY_SCHEME_LOCKING | local::RELAY_MODE_NO_OVERWRITE,
            subbuf_size: subbuf_size.next_power_of_two().max(PAGE_SIZE as u64),
            n_subbufs: n_subbufs.next_power_of_two().max(2) as u32,
            start_reserve: reserve,
            ..Default::default()
        };
        // SAFETY: There is no schema.
        let mut config = unsafe { Config::validate(None, &attr, Default::default())? };
        let spec = config.shape.spec.limited_to(subbuf_size).ok_or(EINVAL)?;
        // What is at the start of a sub-buffer is not final before the end.
        config.shape.spec = if reserve == 0 {
            spec
        } else {
            spec.whole_only()
        };
        Ok(config)
    }

    /// Ends the channel. Process context.
    pub(super) fn close(&self) {
        hotplug::delist(self);
        if let Some(channel) = self.inner.as_ref() {
            self.for_each(Buf::settle_all);
            channel.close();
            // What was reserved meanwhile.
            self.for_each(Buf::settle_all);
        }
        self.end();
    }

    /// Removes the files. No reader waits any more.
    fn end(&self) {
        // SAFETY: By the type invariants.
        let remove = unsafe { (*(*self.as_ptr()).cb).remove_buf_file };
        for buf in self.bufs() {
            buf.starter().view().finalized().store(1, Ordering::Relaxed);
            if let Some(remove) = remove {
                // SAFETY: The client's callback, called as it is documented to be.
                unsafe { remove(buf.dentry()) };
            }
        }
    }

    /// The buffer this CPU writes to; `None` and counted if it has none.
    pub(super) fn here<'a>(&'a self, pinned: &'a Pinned) -> Option<&'a Buf> {
        let buf = self.here.here(pinned);
        if buf.is_none() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        buf
    }

    /// The buffers there are.
    fn bufs(&self) -> impl Iterator<Item = &Buf> {
        self.bufs
            .iter()
            .filter_map(|buf| buf.as_ref())
            .map(|buf| &**buf)
    }

    /// Ends the current sub-buffers. Process context; if it is global, any but NMI.
    pub(super) fn flush(&self) {
        self.for_each(Buf::flush);
        // A global channel's client may be where it cannot wait.
        if self.is_global() || !self.bufs().any(Buf::is_pending) {
            return;
        }
        self.settle();
    }

    /// Waits until all that was reserved is filled, and commits it. Process context.
    fn settle(&self) {
        let mut newest = KVVec::new();
        for buf in self.bufs() {
            // Without memory for it, it stays pending a little longer.
            if newest
                .push(buf.starter().pending.newest(), GFP_KERNEL)
                .is_err()
            {
                return;
            }
        }
        pending::wait_until_filled();
        for (buf, newest) in self.bufs().zip(newest) {
            buf.settle_up_to(newest);
        }
    }

    /// Throws away what was written so far. Process context.
    pub(super) fn reset(&self) {
        let Some(channel) = self.inner.as_ref() else {
            return;
        };
        self.for_each(|buf| buf.starter().set_resetting(true));
        channel.reset();
        self.for_each(|buf| buf.starter().set_resetting(false));
        self.for_each(Buf::begin_anew);
    }

    /// What was not written: full, too big, lost for other causes.
    pub(super) fn stats(&self) -> [u64; 3] {
        let mut sum = [0, 0, self.lost.load(Ordering::Relaxed)];
        for buf in self.bufs() {
            let view = buf.starter().view();
            for (sum, count) in sum
                .iter_mut()
                .zip([view.full(), view.too_big(), view.lost()])
            {
                *sum = u64::from(count.load(Ordering::Relaxed)).wrapping_add(*sum);
            }
        }
        sum
    }

    fn for_each(&self, f: impl Fn(&Buf)) {
        self.bufs().for_each(f);
    }

    pub(super) fn buf(&self, cpu: u32) -> Option<&Buf> {
        let cpu = if self.is_global() { 0 } else { cpu };
        self.bufs.get(cpu as usize)?.as_ref().map(|buf| &**buf)
    }

    fn is_global(&self) -> bool {
        // SAFETY: Changed by the first `create_buf_file()` only.
        unsafe { (*self.as_ptr()).is_global != 0 }
    }

    fn has_name(&self) -> bool {
        // SAFETY: Set before it was shared.
        unsafe { (*self.as_ptr()).has_base_filename != 0 }
    }

    fn name(&self) -> &CStr {
        // SAFETY: Set before it was shared; it ends with 0.
        unsafe { CStr::from_char_ptr((&raw const (*self.as_ptr()).base_filename).cast()) }
    }
}
