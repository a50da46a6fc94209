// SPDX-License-Identifier: GPL-2.0

//! Files of clients: their operations run inside a gate, which is shut when the file is removed.
//!
//! The kernel looks which operations a file has, so each file gets a set of ours that has what its
//! client's has. While it is open the client's module is kept.

use super::file;
use crate::gate::Gate;
use crate::wake::WaitQueue;
use core::ptr::NonNull;
use kernel::bindings;
use kernel::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};
use kernel::prelude::*;
use kernel::sync::Arc;

/// A file of a client's.
///
/// # Invariants
///
/// As long as somebody is inside the gate, what `theirs` names may be called with `data`. As long as
/// the file is open by [`open`], `theirs.release` may be called, and `theirs.fasync` to end it.
#[pin_data]
#[repr(C)]
pub(super) struct ClientFile {
    /// What the kernel calls. First, so that an open file leads here.
    ours: bindings::file_operations,
    /// What they come to.
    theirs: bindings::file_operations,
    data: *mut c_void,
    #[pin]
    gate: Gate,
    /// Those who poll, to be told of the removal.
    #[pin]
    pollers: WaitQueue,
}

// SAFETY: The pointers are handed on only; the rest has locks of its own.
unsafe impl Send for ClientFile {}
// SAFETY: As above.
unsafe impl Sync for ClientFile {}

impl ClientFile {
    /// # Safety
    ///
    /// What `theirs` names must be callable with `data` until the file is removed, and its owner be the
    /// module that is in.
    pub(super) unsafe fn new(
        theirs: bindings::file_operations,
        data: *mut c_void,
    ) -> Result<Arc<Self>> {
        if has_others(&theirs) {
            return Err(EINVAL);
        }
        // INVARIANT: As the caller promises.
        Arc::pin_init(
            pin_init!(Self {
                ours: proxies(&theirs),
                theirs,
                data,
                gate <- Gate::new(),
                pollers <- WaitQueue::new(),
            }),
            GFP_KERNEL,
        )
    }

    pub(super) fn operations(&self) -> *const bindings::file_operations {
        &raw const self.ours
    }

    pub(super) fn data(&self) -> *mut c_void {
        self.data
    }

    /// None of the client's operations begins from now on, but for releases.
    pub(super) fn end(&self) {
        self.gate.shut();
        self.pollers.wake_all();
    }

    /// Waits for those that run, after [`end`](Self::end).
    pub(super) fn wait(&self) {
        self.gate.wait_empty();
    }

    /// # Safety
    ///
    /// `file` must be open, or being opened, with operations of ours.
    unsafe fn of<'a>(file: *mut bindings::file) -> &'a Self {
        // SAFETY: As the caller promises: they are the first member. The inode keeps it, and the file
        // that.
        unsafe { &*(*file).f_op.cast::<Self>() }
    }
}

/// Whether there are operations that cannot be ended by a gate, or have no meaning here. Better to say
/// so than not to call them.
fn has_others(theirs: &bindings::file_operations) -> bool {
    macro_rules! any {
        ($($name:ident),*) => { $(theirs.$name.is_some())||* };
    }
    any!(
        iopoll,
        iterate_shared,
        lock,
        check_flags,
        flock,
        splice_eof,
        setlease,
        copy_file_range,
        remap_file_range,
        uring_cmd,
        uring_cmd_iopoll
    )
}

/// Operations of ours where there are `theirs`.
fn proxies(theirs: &bindings::file_operations) -> bindings::file_operations {
    macro_rules! proxies {
        ($($name:ident),*) => {
            bindings::file_operations {
                owner: file::owner(),
                fop_flags: theirs.fop_flags,
                open: Some(open),
                release: Some(release),
                $($name: theirs.$name.and(Some($name)),)*
                // SAFETY: All zeroes is a set of operations.
                ..unsafe { core::mem::zeroed() }
            }
        };
    }
    proxies!(
        llseek,
        read,
        write,
        read_iter,
        write_iter,
        poll,
        unlocked_ioctl,
        compat_ioctl,
        mmap,
        mmap_prepare,
        splice_read,
        splice_write,
        flush,
        fsync,
        fasync,
        fadvise,
        fallocate,
        get_unmapped_area,
        show_fdinfo
    )
}

/// Operations that only go through the gate: of which file, what they are given, and what they say when
/// it is shut.
macro_rules! passed_on {
    ($($name:ident($($arg:ident: $type:ty),*) -> $result:ty, of $file:expr, else $gone:expr;)*) => {$(
        /// # Safety
        ///
        /// As the kernel calls it, for an open file of a client's.
        unsafe extern "C" fn $name($($arg: $type),*) -> $result {
            // SAFETY: As the caller promises.
            let client = unsafe { ClientFile::of($file) };
            match (client.gate.enter(), client.theirs.$name) {
                // SAFETY: As the caller promises; by the type invariants, inside the gate.
                (Some(_inside), Some(run)) => unsafe { run($($arg),*) },
                _ => $gone,
            }
        }
    )*};
}

type File = *mut bindings::file;
const GONE: i32 = -(bindings::EIO as i32);

passed_on! {
    llseek(file: File, to: i64, whence: c_int) -> i64, of file, else GONE.into();
    read(file: File, to: *mut c_char, len: usize, at: *mut i64) -> isize, of file, else GONE as isize;
    write(file: File, from: *const c_char, len: usize, at: *mut i64) -> isize, of file,
        else GONE as isize;
    read_iter(iocb: *mut bindings::kiocb, to: *mut bindings::iov_iter) -> isize, of (*iocb).ki_filp,
        else GONE as isize;
    write_iter(iocb: *mut bindings::kiocb, from: *mut bindings::iov_iter) -> isize,
        of (*iocb).ki_filp, else GONE as isize;
    unlocked_ioctl(file: File, cmd: c_uint, arg: usize) -> c_long, of file, else GONE as c_long;
    compat_ioctl(file: File, cmd: c_uint, arg: usize) -> c_long, of file, else GONE as c_long;
    mmap(file: File, vma: *mut bindings::vm_area_struct) -> c_int, of file, else GONE;
    mmap_prepare(desc: *mut bindings::vm_area_desc) -> c_int, of (*desc).file, else GONE;
    splice_read(file: File, at: *mut i64, to: *mut bindings::pipe_inode_info, len: usize, flags: c_uint)
        -> isize, of file, else GONE as isize;
    splice_write(from: *mut bindings::pipe_inode_info, file: File, at: *mut i64, len: usize,
        flags: c_uint) -> isize, of file, else GONE as isize;
    fsync(file: File, from: i64, to: i64, datasync: c_int) -> c_int, of file, else GONE;
    fadvise(file: File, at: i64, len: i64, advice: c_int) -> c_int, of file, else GONE;
    fallocate(file: File, mode: c_int, at: i64, len: i64) -> c_long, of file, else GONE as c_long;
    get_unmapped_area(file: File, at: c_ulong, len: c_ulong, page: c_ulong, flags: c_ulong) -> c_ulong,
        of file, else GONE as c_ulong;
    show_fdinfo(to: *mut bindings::seq_file, file: File) -> (), of file, else ();
    // close() has nothing to say to it.
    flush(file: File, id: bindings::fl_owner_t) -> c_int, of file, else 0;
}

/// # Safety
///
/// As the kernel calls it, for an open file of a client's.
unsafe extern "C" fn poll(file: File, table: *mut bindings::poll_table_struct) -> u32 {
    // SAFETY: As the caller promises.
    let client = unsafe { ClientFile::of(file) };
    let (Some(_inside), Some(run)) = (client.gate.enter(), client.theirs.poll) else {
        return bindings::POLLHUP | bindings::POLLERR;
    };
    // SAFETY: As the caller promises; the queue stays as long as the file is open, and by the type
    // invariants, inside the gate.
    unsafe {
        client.pollers.poll_wait(file, table);
        run(file, table)
    }
}

/// Also after the removal, to end it: the kernel calls it before the release then, so that the client
/// does not keep a file that goes.
///
/// # Safety
///
/// As the kernel calls it, for an open file of a client's.
unsafe extern "C" fn fasync(fd: c_int, file: File, on: c_int) -> c_int {
    // SAFETY: As the caller promises.
    let client = unsafe { ClientFile::of(file) };
    let inside = client.gate.enter();
    match client.theirs.fasync {
        // SAFETY: As the caller promises; by the type invariants, inside the gate or to end it.
        Some(run) if inside.is_some() || on == 0 => unsafe { run(fd, file, on) },
        _ => GONE,
    }
}

/// # Safety
///
/// As the kernel calls it: an inode of a client's file.
unsafe extern "C" fn open(inode: *mut bindings::inode, file: File) -> c_int {
    // SAFETY: As the caller promises.
    let client = unsafe { ClientFile::of(file) };
    let Some(_inside) = client.gate.enter() else {
        return ENOENT.to_errno();
    };
    if let Err(error) = file::check_lockdown() {
        return error.to_errno();
    }
    let theirs = &client.theirs;
    // SAFETY: Inside the gate, so the module is there, if it is one.
    if !unsafe { bindings::try_module_get(theirs.owner) } {
        return ENXIO.to_errno();
    }
    // SAFETY: As the caller promises; by the type invariants, inside the gate.
    let mut error = theirs.open.map_or(0, |open| unsafe { open(inode, file) });
    // SAFETY: As the caller promises.
    let now = unsafe { (*file).f_op };
    if error == 0 && now != client.operations() {
        // Those that were put in place of ours could not be ended.
        // SAFETY: They are the client's, as the file is; this ends what its `open` began.
        unsafe {
            if let Some(release) = NonNull::new(now.cast_mut()).and_then(|now| now.as_ref().release)
            {
                release(inode, file);
            }
        }
        error = EINVAL.to_errno();
    }
    if error != 0 {
        // SAFETY: Got above.
        unsafe { bindings::module_put(theirs.owner) };
    }
    error
}

/// Also after the removal: what an open has taken is given back, and the module with it.
///
/// # Safety
///
/// As the kernel calls it, for a file of a client's that [`open`] opened.
unsafe extern "C" fn release(inode: *mut bindings::inode, file: File) -> c_int {
    // SAFETY: As the caller promises.
    let theirs = unsafe { &ClientFile::of(file).theirs };
    // SAFETY: By the type invariants.
    let result = theirs
        .release
        // SAFETY: The client's own, with what the kernel gave us.
        .map_or(0, |release| unsafe { release(inode, file) });
    // SAFETY: Got by `open()`.
    unsafe { bindings::module_put(theirs.owner) };
    result
}
