// SPDX-License-Identifier: GPL-2.0

//! Mount options: parsed into data first, applied later.
//!
//! There is one superblock, so what is said here holds for all mounts. What is a mount's own the kernel
//! keeps with it: `ro`, `nosuid`, `nodev`, `noexec` and the like. A superblock that were read-only as well,
//! because it happened to be mounted so first, would make all others so.

use super::superblock;
use crate::bindings as local;
use crate::memory;
use core::sync::atomic::{AtomicU32, Ordering};
use kernel::ffi::c_char;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;

/// What one `mount` or `remount` asked for.
#[derive(Default)]
struct Asked {
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    max_bytes: Option<u64>,
}

/// What holds: there is one superblock, so one set. The limit of memory is the module's.
pub(super) struct Options {
    mode: AtomicU32,
    uid: AtomicU32,
    gid: AtomicU32,
}

const DEFAULT_MODE: u32 = 0o700;

pub(super) static OPTIONS: Options = Options {
    mode: AtomicU32::new(DEFAULT_MODE),
    uid: AtomicU32::new(0),
    gid: AtomicU32::new(0),
};

impl Options {
    /// Permission bits of directories. Files are readable by whom these let read.
    pub(super) fn mode(&self) -> u32 {
        self.mode.load(Ordering::Relaxed)
    }

    pub(super) fn uid(&self) -> u32 {
        self.uid.load(Ordering::Relaxed)
    }

    pub(super) fn gid(&self) -> u32 {
        self.gid.load(Ordering::Relaxed)
    }

    /// Back to the defaults, for a new superblock.
    pub(super) fn reset(&self) {
        self.mode.store(DEFAULT_MODE, Ordering::Relaxed);
        self.uid.store(0, Ordering::Relaxed);
        self.gid.store(0, Ordering::Relaxed);
    }

    /// Takes what was asked for and leaves the rest: another mount, the module's own included,
    /// changes nothing it does not name.
    fn apply(&self, asked: &Asked) {
        let pairs = [
            (&self.mode, asked.mode),
            (&self.uid, asked.uid),
            (&self.gid, asked.gid),
        ];
        for (to, from) in pairs {
            if let Some(value) = from {
                to.store(value, Ordering::Relaxed);
            }
        }
        if let Some(bytes) = asked.max_bytes {
            memory::set_limit(bytes);
        }
    }

    /// As in /proc/mounts.
    pub(super) fn show(&self, to: &SeqFile) {
        if self.uid() != 0 {
            seq_print!(to, ",uid={}", self.uid());
        }
        if self.gid() != 0 {
            seq_print!(to, ",gid={}", self.gid());
        }
        if self.mode() != DEFAULT_MODE {
            seq_print!(to, ",mode={:o}", self.mode());
        }
        if let Some(bytes) = memory::limit_set() {
            seq_print!(to, ",max_bytes={}", bytes);
        }
    }
}

const OPT_MODE: u8 = 0;
const OPT_UID: u8 = 1;
const OPT_GID: u8 = 2;
const OPT_MAX_BYTES: u8 = 3;

#[repr(transparent)]
pub(super) struct Specs([local::fs_parameter_spec; 5]);

// SAFETY: Read only, and the pointers in it are to static data.
unsafe impl Sync for Specs {}

const fn spec(
    name: &'static CStr,
    opt: u8,
    type_: unsafe extern "C" fn(
        *mut local::p_log,
        *const local::fs_parameter_spec,
        *mut local::fs_parameter,
        *mut local::fs_parse_result,
    ) -> i32,
    base: usize,
) -> local::fs_parameter_spec {
    local::fs_parameter_spec {
        name: name.to_bytes_with_nul().as_ptr(),
        type_: Some(type_),
        opt,
        flags: 0,
        // For numbers: the base, as the kernel's fsparam_u32oct() puts it here.
        data: core::ptr::without_provenance(base),
    }
}

pub(super) static SPECS: Specs = Specs([
    spec(c"mode", OPT_MODE, local::fs_param_is_u32, 8),
    spec(c"uid", OPT_UID, local::fs_param_is_uid, 0),
    spec(c"gid", OPT_GID, local::fs_param_is_gid, 0),
    spec(c"max_bytes", OPT_MAX_BYTES, local::fs_param_is_string, 0),
    local::fs_parameter_spec {
        name: core::ptr::null(),
        type_: None,
        opt: 0,
        flags: 0,
        data: core::ptr::null(),
    },
]);

impl Specs {
    pub(super) const fn as_ptr(&self) -> *const local::fs_parameter_spec {
        self.0.as_ptr()
    }
}

struct Ops(local::fs_context_operations);

// SAFETY: Read only.
unsafe impl Sync for Ops {}

static OPS: Ops = Ops(local::fs_context_operations {
    free: Some(free),
    dup: None,
    parse_param: Some(parse_param),
    parse_monolithic: None,
    get_tree: Some(get_tree),
    reconfigure: Some(reconfigure),
});

/// # Safety
///
/// `fc` must be a context being set up.
pub(super) unsafe extern "C" fn init(fc: *mut local::fs_context) -> i32 {
    match KBox::new(Asked::default(), GFP_KERNEL) {
        Ok(asked) => {
            // SAFETY: As the caller promises.
            unsafe {
                leave_read_only(fc);
                (*fc).fs_private = KBox::into_raw(asked).cast();
                (*fc).ops = &OPS.0;
            }
            0
        }
        Err(_) => ENOMEM.to_errno(),
    }
}

/// # Safety
///
/// `fc` must have been set up by [`init`]; nothing uses it any more.
unsafe extern "C" fn free(fc: *mut local::fs_context) {
    // SAFETY: `init` put a box there.
    unsafe {
        let asked = (*fc).fs_private.cast::<Asked>();
        if !asked.is_null() {
            drop(KBox::from_raw(asked));
        }
    }
}

/// # Safety
///
/// `fc` must have been set up by [`init`], `param` be valid.
unsafe extern "C" fn parse_param(
    fc: *mut local::fs_context,
    param: *mut local::fs_parameter,
) -> i32 {
    let mut result = core::mem::MaybeUninit::<local::fs_parse_result>::zeroed();
    // SAFETY: All are valid; the specifications end with an empty one.
    let opt = unsafe {
        local::__fs_parse(
            &raw mut (*fc).log,
            SPECS.as_ptr(),
            param,
            result.as_mut_ptr(),
        )
    };
    if opt < 0 {
        return opt;
    }
    // SAFETY: The parser filled it, and any bits are a value of it.
    let (result, asked) = unsafe { (result.assume_init(), &mut *(*fc).fs_private.cast::<Asked>()) };
    // SAFETY: Which member is valid depends on the option's type; all are plain numbers. The parser has seen
    // that the limit is a string.
    unsafe {
        match opt as u8 {
            OPT_MODE => {
                let mode = *result.__bindgen_anon_1.uint_32.as_ref();
                if mode & !0o777 != 0 {
                    return refuse(fc, c"Bad value for 'mode': %s is beyond 0777", param);
                }
                asked.mode = Some(mode);
            }
            OPT_UID => asked.uid = Some(result.__bindgen_anon_1.uid.as_ref().val),
            OPT_GID => asked.gid = Some(result.__bindgen_anon_1.gid.as_ref().val),
            _ => match memory::parse_bytes(CStr::from_char_ptr(string(param)).to_bytes()) {
                Some(bytes) => asked.max_bytes = Some(bytes),
                None => {
                    return refuse(
                        fc,
                        c"Bad value for 'max_bytes': %s is no number of bytes",
                        param,
                    )
                }
            },
        }
    }
    0
}

/// # Safety
///
/// `param` must be valid, and its value a string.
unsafe fn string(param: *const local::fs_parameter) -> *const c_char {
    // SAFETY: As the caller promises.
    unsafe { (*param).__bindgen_anon_1.string.cast_const() }
}

/// Refuses a value: tells who mounts by the context's log, or else the kernel's. `says` has a place for it.
///
/// # Safety
///
/// `fc` must be a context, `param` valid and its value a string.
unsafe fn refuse(
    fc: *mut local::fs_context,
    says: &'static CStr,
    param: *const local::fs_parameter,
) -> i32 {
    // SAFETY: As the caller promises.
    unsafe {
        local::logfc(
            (*fc).log.log,
            (*fc).log.prefix,
            b'e',
            says.as_char_ptr(),
            string(param),
        );
    }
    EINVAL.to_errno()
}

/// Leaves `ro` to the mount.
///
/// # Safety
///
/// `fc` must be a context.
unsafe fn leave_read_only(fc: *mut local::fs_context) {
    // SAFETY: As the caller promises.
    unsafe {
        (*fc).sb_flags &= !local::RELAYFS_SB_RDONLY;
        (*fc).sb_flags_mask &= !local::RELAYFS_SB_RDONLY;
    }
}

/// # Safety
///
/// `fc` must have been set up by [`init`].
unsafe extern "C" fn get_tree(fc: *mut local::fs_context) -> i32 {
    // SAFETY: As the caller promises.
    let error = unsafe {
        leave_read_only(fc);
        local::get_tree_single(fc, Some(superblock::fill))
    };
    if error == 0 {
        // SAFETY: As the caller promises.
        unsafe { reconfigure(fc) };
    }
    error
}

/// # Safety
///
/// `fc` must have been set up by [`init`].
unsafe extern "C" fn reconfigure(fc: *mut local::fs_context) -> i32 {
    // SAFETY: As the caller promises; `init` put a box there.
    let asked = unsafe {
        leave_read_only(fc);
        &*(*fc).fs_private.cast::<Asked>()
    };
    OPTIONS.apply(asked);
    0
}
