// SPDX-License-Identifier: GPL-2.0

//! Files of the client's own, beside those of its channels.

use super::{ffi, Channel};
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::bindings;
use kernel::error::from_err_ptr;
use kernel::ffi::{c_char, c_int, c_void};
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::uaccess::{UserPtr, UserSlice};

/// Where a file or directory is to be.
#[derive(Clone, Copy)]
pub(crate) enum Parent<'a> {
    /// In the root of the mount.
    Root,
    /// In a directory of the client's.
    In(&'a Directory),
    /// In a channel's own directory: it vanishes with the channel.
    Of(&'a Channel),
}

impl Parent<'_> {
    /// What C calls it. `ENOTDIR`: the channel has no files.
    fn entry(self) -> Result<*mut ffi::relay_entry> {
        match self {
            Self::Root => Ok(core::ptr::null_mut()),
            Self::In(directory) => Ok(directory.0.raw.as_ptr()),
            Self::Of(channel) => {
                // SAFETY: The channel is open or kept.
                let entry = unsafe { ffi::relayfs_channel_dir(channel.raw()) };
                (!entry.is_null()).then_some(entry).ok_or(ENOTDIR)
            }
        }
    }
}

/// Something of the client's in the tree. Dropping removes it: process context. That waits for file
/// operations that run.
struct Entry {
    raw: NonNull<ffi::relay_entry>,
}

// SAFETY: A handle, which any task may use.
unsafe impl Send for Entry {}
// SAFETY: As above.
unsafe impl Sync for Entry {}

impl Entry {
    fn new(raw: *mut ffi::relay_entry) -> Result<Self> {
        let raw = NonNull::new(from_err_ptr(raw)?).ok_or(ENOMEM)?;
        Ok(Self { raw })
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // SAFETY: A handle from relayfs; of what is gone it finds nothing.
        unsafe { ffi::relayfs_remove(self.raw.as_ptr()) }
    }
}

/// A directory. Dropping it removes it and the files in it.
pub(crate) struct Directory(Entry);

impl Directory {
    /// Makes it. Fails as relay_create_dir(). Process context.
    pub(crate) fn new(name: &CStr, parent: Parent<'_>) -> Result<Self> {
        // SAFETY: A string, and a directory of the client's or a channel's, or null.
        let raw = unsafe { ffi::relayfs_create_dir(name.as_char_ptr(), parent.entry()?) };
        Entry::new(raw).map(Self)
    }
}

/// What a file shows who reads it.
pub(crate) trait Show: Send + Sync + 'static {
    /// The reader's task; may sleep.
    fn show(&self, to: &SeqFile);
}

/// What a file does with what is written to it.
pub(crate) trait Store: Show {
    /// Somebody has written this, with one call of write(2); at most a page. An error is what they get. The
    /// writer's task; may sleep.
    fn store(&self, data: &[u8]) -> Result;
}

/// A file whose contents `T` makes each time it is read. Dropping it removes it.
///
/// ```
/// use core::sync::atomic::{AtomicBool, Ordering};
/// use kernel::seq_file::SeqFile;
///
/// /// Users read and write it as 0 or 1.
/// struct Enabled(AtomicBool);
///
/// impl Show for Enabled {
///     fn show(&self, to: &SeqFile) {
///         kernel::seq_print!(to, "{}\n", u8::from(self.0.load(Ordering::Relaxed)));
///     }
/// }
///
/// impl Store for Enabled {
///     fn store(&self, data: &[u8]) -> Result {
///         let enabled = match data.trim_ascii() {
///             b"0" => false,
///             b"1" => true,
///             _ => return Err(EINVAL),
///         };
///         self.0.store(enabled, Ordering::Relaxed);
///         Ok(())
///     }
/// }
///
/// /// Makes net/rx.d/enabled, as long as what is given back is kept.
/// fn switch(module: &'static ThisModule, channel: &Channel) -> Result<File<Enabled>> {
///     let enabled = Enabled(AtomicBool::new(true));
///     let file = File::new_writable(module, c"enabled", 0o600, Parent::Of(channel), enabled)?;
///     if file.data().0.load(Ordering::Relaxed) {
///         channel.write(b"enabled\n")?;
///     }
///     Ok(file)
/// }
/// ```
pub(crate) struct File<T: Show> {
    // Before what it shows: it is removed first.
    _entry: Entry,
    data: KBox<T>,
}

impl<T: Show> File<T> {
    /// Makes it, with permission bits `mode`, a subset of 0o444; 0: those of the mount. Fails as
    /// relay_create_file(). Process context.
    pub(crate) fn new(
        module: &'static ThisModule,
        name: &CStr,
        mode: u16,
        parent: Parent<'_>,
        data: T,
    ) -> Result<Self> {
        Self::make(module, name, mode, parent, data, None)
    }

    fn make(
        module: &'static ThisModule,
        name: &CStr,
        mode: u16,
        parent: Parent<'_>,
        data: T,
        write: Option<Write>,
    ) -> Result<Self> {
        let data = KBox::new(data, GFP_KERNEL)?;
        let operations = bindings::file_operations {
            owner: module.as_ptr(),
            open: Some(Operations::<T>::open),
            read_iter: Some(bindings::seq_read_iter),
            write,
            llseek: Some(bindings::seq_lseek),
            release: Some(bindings::single_release),
            ..Default::default()
        };
        let shown = core::ptr::from_ref(&*data).cast_mut().cast();
        // SAFETY: String and operations are valid during the call, the directory is as above. What is
        // shown lives until the file is removed, after which no operation runs but release.
        let raw = unsafe {
            ffi::relayfs_create_file(
                name.as_char_ptr(),
                mode,
                parent.entry()?,
                shown,
                &operations,
            )
        };
        Ok(Self {
            _entry: Entry::new(raw)?,
            data,
        })
    }

    /// What it shows.
    pub(crate) fn data(&self) -> &T {
        &self.data
    }
}

impl<T: Store> File<T> {
    /// The same for one that can be written, too: `mode` is a subset of 0o666.
    pub(crate) fn new_writable(
        module: &'static ThisModule,
        name: &CStr,
        mode: u16,
        parent: Parent<'_>,
        data: T,
    ) -> Result<Self> {
        let write: Write = Operations::<T>::write;
        Self::make(module, name, mode, parent, data, Some(write))
    }
}

type Write =
    unsafe extern "C" fn(*mut bindings::file, *const c_char, usize, *mut bindings::loff_t) -> isize;

/// What a user has written, if that is not too much.
fn copy(from: *const c_char, len: usize) -> Result<KVec<u8>> {
    if len > PAGE_SIZE {
        return Err(E2BIG);
    }
    let mut bytes = KVec::new();
    let from = UserPtr::from_ptr(from.cast_mut().cast());
    UserSlice::new(from, len).read_all(&mut bytes, GFP_KERNEL)?;
    Ok(bytes)
}

/// What the kernel calls.
struct Operations<T>(PhantomData<T>);

impl<T: Show> Operations<T> {
    /// # Safety
    ///
    /// As the kernel calls it, for a file made by [`File::new`].
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: As the caller promises; it is handed on only.
        unsafe { bindings::single_open(file, Some(Self::show), (*inode).i_private) }
    }

    /// # Safety
    ///
    /// As the kernel calls it, for a file opened by [`open`](Self::open) and not removed.
    unsafe extern "C" fn show(seq: *mut bindings::seq_file, _: *mut c_void) -> c_int {
        // SAFETY: As the caller promises: what is shown lives until the file is removed.
        let (to, data) = unsafe { (SeqFile::from_raw(seq), &*(*seq).private.cast::<T>()) };
        data.show(to);
        0
    }
}

impl<T: Store> Operations<T> {
    /// # Safety
    ///
    /// As the kernel calls it, for a file opened by [`open`](Self::open) and not removed.
    unsafe extern "C" fn write(
        file: *mut bindings::file,
        from: *const c_char,
        len: usize,
        _at: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: As the caller promises: what is stored to lives until the file is removed.
        let data = unsafe {
            let seq = (*file).private_data.cast::<bindings::seq_file>();
            &*(*seq).private.cast::<T>()
        };
        match copy(from, len).and_then(|bytes| data.store(&bytes)) {
            Ok(()) => len as isize,
            Err(error) => error.to_errno() as isize,
        }
    }
}
