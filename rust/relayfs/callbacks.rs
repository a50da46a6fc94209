// SPDX-License-Identifier: GPL-2.0

//! What a client is told.

use super::{ffi, Channel};
use core::marker::PhantomData;
use core::ops::Deref;
use kernel::bindings;
use kernel::ffi::{c_int, c_long, c_uint, c_ulong, c_void};
use kernel::prelude::*;

/// What a client wants to be told; what it does not implement is not asked for. In which context each
/// runs, and what it may do there, `struct rchan_callbacks` in the C header says. None runs when the
/// channel is closed, that is when [`OpenChannel`](super::OpenChannel) is dropped: do not drop it here.
///
/// ```
/// /// Numbers each sub-buffer in the 8 bytes kept at its start, and answers what users write.
/// struct Client;
///
/// #[vtable]
/// impl Callbacks for Client {
///     fn buffer_start(&self, _channel: &Channel, begun: &mut Begun<'_>) {
///         let seq = begun.seq().to_le_bytes();
///         begun.start_reserve().copy_from_slice(&seq);
///     }
///
///     fn user_deliver(&self, channel: &Channel, data: &[u8]) {
///         let _ = channel.write_parts(&[b"you said: ", data]);
///     }
/// }
///
/// let reserves = Reserves { start: 8, ..Reserves::default() };
/// let channel = Channel::builder(c"answers")
///     .mode(0o600)
///     .reserves(reserves)
///     .callbacks(Client)
///     .open()?;
/// channel.write(b"ready\n")?;
/// ```
#[vtable]
pub(crate) trait Callbacks: Send + Sync + Sized + 'static {
    /// A sub-buffer was begun; its start reserve may be filled. Any context, preemption off.
    fn buffer_start(&self, _channel: &Channel, _begun: &mut Begun<'_>) {}

    /// All of a sub-buffer is committed; its end reserve may be filled. As `buffer_start()`.
    fn buffer_end(&self, _channel: &Channel, _ended: &mut Ended<'_>) {}

    /// Data can be read. Hard interrupt.
    fn deliver(&self, _channel: &Channel, _delivered: &Delivered<'_>) {}

    /// A user has written this. The user's task; may sleep.
    fn user_deliver(&self, _channel: &Channel, _data: &[u8]) {}

    /// The buffer of this CPU (`None`: the global one) has become full. Hard interrupt.
    fn buffers_full(&self, _channel: &Channel, _cpu: Option<u32>) {}

    /// The channel needs other sizes, or has them. Process context; may sleep.
    fn needs_resize(&self, _channel: &Channel, _what: Resize, _subbuf_size: u64, _n_subbufs: u32) {}

    /// A user does something with a file. An error refuses to open or to map. The user's task.
    fn fileop_notify(&self, _channel: &Channel, _action: UserAction) -> Result {
        Ok(())
    }

    /// An ioctl(2) that is not one of relayfs' own. The user's task; may sleep.
    fn ioctl(&self, _channel: &Channel, _cmd: u32, _arg: usize) -> Result<isize> {
        Err(ENOTTY)
    }
}

/// A client that wants to be told nothing.
pub(crate) struct Nothing;

#[vtable]
impl Callbacks for Nothing {}

/// Why [`Callbacks::needs_resize`] is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Resize {
    /// A resize in the background failed.
    Failed,
    /// A buffer is 3/4 full: what is suggested is larger.
    Expand,
    /// All have been empty for a while: what is suggested is smaller.
    Shrink,
    /// Buffers are ready to be used by [`Channel::replace`].
    Ready,
    /// From now on the sizes are these.
    Replaced,
}

/// What a user does with a file of a channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UserAction {
    Open,
    Close,
    Map,
    Unmap,
}

/// The number of a CPU; `None`: of no one.
fn cpu_of(cpu: u32) -> Option<u32> {
    (cpu != ffi::RELAY_CPU_NONE).then_some(cpu)
}

/// A sub-buffer at its start or end.
///
/// # Invariants
///
/// The reserves are as `raw` says. As long as this lives, nobody else writes to the start reserve, and
/// only the callback has the end reserve.
pub(crate) struct Subbuf<'a> {
    raw: &'a ffi::relay_subbuf,
}

/// A sub-buffer at its start.
///
/// # Invariants
///
/// As long as this lives, only the callback has the start reserve, too.
pub(crate) struct Begun<'a>(Subbuf<'a>);

/// A sub-buffer at its end. Readers may have its beginning already, so its start reserve can be looked
/// at only.
pub(crate) struct Ended<'a>(Subbuf<'a>);

impl Begun<'_> {
    /// The space kept at its start, to be filled. Readers see it as it is when the callback returns.
    pub(crate) fn start_reserve(&mut self) -> &mut [u8] {
        // SAFETY: By the type invariants; all of it is initialised.
        unsafe { bytes_mut(self.0.raw.start, self.0.raw.start_len) }
    }
}

impl<'a> Deref for Begun<'a> {
    type Target = Subbuf<'a>;

    fn deref(&self) -> &Subbuf<'a> {
        &self.0
    }
}

impl Ended<'_> {
    /// The space kept at its start, as it was filled.
    pub(crate) fn start_reserve(&self) -> &[u8] {
        // SAFETY: By the type invariants; all of it is initialised.
        unsafe { bytes(self.0.raw.start, self.0.raw.start_len) }
    }

    /// The space kept at its end, to be filled.
    pub(crate) fn end_reserve(&mut self) -> &mut [u8] {
        // SAFETY: By the type invariants; all of it is initialised.
        unsafe { bytes_mut(self.0.raw.end_reserve, self.0.raw.end_len) }
    }
}

impl<'a> Deref for Ended<'a> {
    type Target = Subbuf<'a>;

    fn deref(&self) -> &Subbuf<'a> {
        &self.0
    }
}

impl Subbuf<'_> {
    /// Its number in its buffer.
    pub(crate) fn seq(&self) -> u64 {
        self.raw.seq
    }

    /// When it was begun, by the channel's clock.
    pub(crate) fn begin(&self) -> u64 {
        self.raw.begin
    }

    /// When its last record was committed; 0 at the start.
    pub(crate) fn end(&self) -> u64 {
        self.raw.end
    }

    /// In whose buffer it is.
    pub(crate) fn cpu(&self) -> Option<u32> {
        cpu_of(self.raw.cpu)
    }

    /// Bytes up to the end of the last record; 0 at the start.
    pub(crate) fn len(&self) -> u32 {
        self.raw.len
    }

    /// Records in it; 0 at the start.
    pub(crate) fn records(&self) -> u32 {
        self.raw.records
    }

    /// Bytes behind the last record that nobody uses; 0 at the start.
    pub(crate) fn padding(&self) -> u32 {
        self.raw.padding
    }
}

/// # Safety
///
/// `at` must be null, or `len` bytes there initialised and written by nobody for `'a`.
unsafe fn bytes<'a>(at: *mut c_void, len: u32) -> &'a [u8] {
    if at.is_null() {
        return &[];
    }
    // SAFETY: As the caller promises.
    unsafe { core::slice::from_raw_parts(at.cast(), len as usize) }
}

/// # Safety
///
/// `at` must be null, or `len` bytes there initialised and the caller's alone for `'a`.
unsafe fn bytes_mut<'a>(at: *mut c_void, len: u32) -> &'a mut [u8] {
    if at.is_null() {
        return &mut [];
    }
    // SAFETY: As the caller promises.
    unsafe { core::slice::from_raw_parts_mut(at.cast(), len as usize) }
}

/// Data that has become readable.
///
/// # Invariants
///
/// `data` is valid for reads of `len` bytes, and does not change, as long as this lives.
pub(crate) struct Delivered<'a> {
    raw: &'a ffi::relay_delivery,
}

impl Delivered<'_> {
    /// Whole records.
    pub(crate) fn data(&self) -> &[u8] {
        // SAFETY: By the type invariants.
        unsafe { core::slice::from_raw_parts(self.raw.data.cast(), self.raw.len) }
    }

    /// Number of the sub-buffer it is from.
    pub(crate) fn seq(&self) -> u64 {
        self.raw.seq
    }

    /// Records of this buffer that were overwritten before this could be told, so far.
    pub(crate) fn lost(&self) -> u64 {
        self.raw.lost
    }

    /// In whose buffer it is.
    pub(crate) fn cpu(&self) -> Option<u32> {
        cpu_of(self.raw.cpu)
    }

    /// Whether it goes to the end of its sub-buffer.
    pub(crate) fn is_last(&self) -> bool {
        self.raw.last != 0
    }
}

/// The table for C; `None`: it wants nothing.
pub(super) fn table<C: Callbacks>() -> Option<&'static ffi::rchan_callbacks> {
    let any = C::HAS_BUFFER_START
        || C::HAS_BUFFER_END
        || C::HAS_DELIVER
        || C::HAS_USER_DELIVER
        || C::HAS_BUFFERS_FULL
        || C::HAS_NEEDS_RESIZE
        || C::HAS_FILEOP_NOTIFY
        || C::HAS_IOCTL;
    any.then_some(&Table::<C>::TABLE)
}

/// The functions C calls.
struct Table<C>(PhantomData<C>);

macro_rules! if_has {
    ($has:expr, $function:expr) => {
        if $has {
            Some($function)
        } else {
            None
        }
    };
}

/// All of these are called with a channel that is open, was opened with a `C` as its data, and is not
/// closed before they return.
impl<C: Callbacks> Table<C> {
    const TABLE: ffi::rchan_callbacks = ffi::rchan_callbacks {
        buffer_start: if_has!(C::HAS_BUFFER_START, Self::buffer_start),
        buffer_end: if_has!(C::HAS_BUFFER_END, Self::buffer_end),
        deliver: if_has!(C::HAS_DELIVER, Self::deliver),
        user_deliver: if_has!(C::HAS_USER_DELIVER, Self::user_deliver),
        buffers_full: if_has!(C::HAS_BUFFERS_FULL, Self::buffers_full),
        needs_resize: if_has!(C::HAS_NEEDS_RESIZE, Self::needs_resize),
        fileop_notify: if_has!(C::HAS_FILEOP_NOTIFY, Self::fileop_notify),
        ioctl: if_has!(C::HAS_IOCTL, Self::ioctl),
        reserved: [None; 8],
    };

    /// The channel, and the client's data.
    ///
    /// # Safety
    ///
    /// `chan` must be as said above.
    unsafe fn channel<'a>(chan: *mut ffi::rchan) -> (&'a Channel, &'a C) {
        // SAFETY: As the caller promises; the data lives until the channel is closed.
        unsafe {
            let client = ffi::relayfs_private_data(chan).cast::<C>();
            (Channel::from_raw(chan), &*client)
        }
    }

    /// # Safety
    ///
    /// As said above.
    unsafe extern "C" fn buffer_start(chan: *mut ffi::rchan, subbuf: *const ffi::relay_subbuf) {
        // SAFETY: As the caller promises.
        let ((channel, client), raw) = unsafe { (Self::channel(chan), &*subbuf) };
        // INVARIANT: What the start reserve is for.
        client.buffer_start(channel, &mut Begun(Subbuf { raw }));
    }

    /// # Safety
    ///
    /// As said above.
    unsafe extern "C" fn buffer_end(chan: *mut ffi::rchan, subbuf: *const ffi::relay_subbuf) {
        // SAFETY: As the caller promises.
        let ((channel, client), raw) = unsafe { (Self::channel(chan), &*subbuf) };
        // INVARIANT: No reader has seen the sub-buffer's end, and nobody writes to its beginning.
        client.buffer_end(channel, &mut Ended(Subbuf { raw }));
    }

    /// # Safety
    ///
    /// As said above.
    unsafe extern "C" fn deliver(chan: *mut ffi::rchan, delivery: *const ffi::relay_delivery) {
        // SAFETY: As the caller promises.
        let ((channel, client), raw) = unsafe { (Self::channel(chan), &*delivery) };
        // INVARIANT: As long as the callback runs.
        client.deliver(channel, &Delivered { raw });
    }

    /// # Safety
    ///
    /// As said above.
    unsafe extern "C" fn user_deliver(chan: *mut ffi::rchan, data: *const c_void, len: usize) {
        // SAFETY: As the caller promises; the data stays as long as the callback runs.
        let ((channel, client), data) = unsafe {
            let data = core::slice::from_raw_parts(data.cast(), len);
            (Self::channel(chan), data)
        };
        client.user_deliver(channel, data);
    }

    /// # Safety
    ///
    /// As said above.
    unsafe extern "C" fn buffers_full(chan: *mut ffi::rchan, cpu: u32) {
        // SAFETY: As the caller promises.
        let (channel, client) = unsafe { Self::channel(chan) };
        client.buffers_full(channel, cpu_of(cpu));
    }

    /// # Safety
    ///
    /// As said above.
    unsafe extern "C" fn needs_resize(
        chan: *mut ffi::rchan,
        what: c_int,
        subbuf_size: u64,
        n_subbufs: u32,
    ) {
        // SAFETY: As the caller promises.
        let (channel, client) = unsafe { Self::channel(chan) };
        let what = match what as u32 {
            ffi::RELAY_RESIZE_EXPAND => Resize::Expand,
            ffi::RELAY_RESIZE_SHRINK => Resize::Shrink,
            ffi::RELAY_RESIZE_REPLACE => Resize::Ready,
            ffi::RELAY_RESIZE_REPLACED => Resize::Replaced,
            _ => Resize::Failed,
        };
        client.needs_resize(channel, what, subbuf_size, n_subbufs);
    }

    /// # Safety
    ///
    /// As said above.
    unsafe extern "C" fn fileop_notify(
        chan: *mut ffi::rchan,
        _file: *mut bindings::file,
        fileop: ffi::relay_fileop,
    ) -> c_int {
        // SAFETY: As the caller promises.
        let (channel, client) = unsafe { Self::channel(chan) };
        let action = match fileop {
            ffi::relay_fileop_RELAY_FILE_OPEN => UserAction::Open,
            ffi::relay_fileop_RELAY_FILE_CLOSE => UserAction::Close,
            ffi::relay_fileop_RELAY_FILE_MAP => UserAction::Map,
            _ => UserAction::Unmap,
        };
        let result = client.fileop_notify(channel, action);
        result.err().map_or(0, |error| error.to_errno())
    }

    /// # Safety
    ///
    /// As said above.
    unsafe extern "C" fn ioctl(
        chan: *mut ffi::rchan,
        _file: *mut bindings::file,
        cmd: c_uint,
        arg: c_ulong,
    ) -> c_long {
        // SAFETY: As the caller promises.
        let (channel, client) = unsafe { Self::channel(chan) };
        match client.ioctl(channel, cmd, arg) {
            Ok(value) => value,
            Err(error) => error.to_errno() as c_long,
        }
    }
}
