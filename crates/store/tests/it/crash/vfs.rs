//! A SQLite VFS that passes everything through, records it, and fails on request.
//!
//! Unsafe because a VFS is a table of C functions. What it relies on: SQLite hands each method a
//! file that our `open` filled in, with `szOsFile` bytes, of which the tail belongs to the VFS below.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use rusqlite::ffi;

/// Something that happened to a file, or a mark of ours.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Create(String),
    Write {
        file: String,
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: String,
        size: usize,
    },
    Sync(String),
    Delete {
        file: String,
        durable: bool,
    },
    /// The workload was answered.
    Acked {
        group: usize,
        commits: u64,
    },
}

/// What was recorded, and the switches for failures.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) ops: Mutex<Vec<Op>>,
    /// Bytes that fit on the disk, where limited.
    pub(crate) room: AtomicI64,
    pub(crate) limited: AtomicBool,
    pub(crate) failing_sync: AtomicBool,
}

struct Below {
    vfs: *mut ffi::sqlite3_vfs,
    recorder: Arc<Recorder>,
}

#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    /// Null for temporary files, which are not recorded.
    open: *mut Open,
}

struct Open {
    name: String,
    recorder: Arc<Recorder>,
}

/// Registers a VFS under `name` over the one that the engine takes by itself. It stays for the
/// life of the process.
pub(crate) fn register(name: &str) -> Arc<Recorder> {
    let recorder = Arc::new(Recorder::default());
    // SAFETY: the VFS below is static; ours and its name are leaked, so they outlive every use.
    unsafe {
        let below = ffi::sqlite3_vfs_find(c"unix-excl".as_ptr());
        assert!(!below.is_null());
        let mut vfs = *below;
        vfs.szOsFile += size_of::<File>() as c_int;
        vfs.zName = CString::new(name).unwrap().into_raw();
        vfs.pNext = std::ptr::null_mut();
        vfs.pAppData = Box::into_raw(Box::new(Below { vfs: below, recorder: recorder.clone() })).cast();
        vfs.xOpen = Some(open);
        vfs.xDelete = Some(delete);
        assert_eq!(ffi::sqlite3_vfs_register(Box::into_raw(Box::new(vfs)), 0), ffi::SQLITE_OK);
    }
    recorder
}

fn file_name(path: &CStr) -> String {
    let path = path.to_str().unwrap();
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls with our VFS and a file of `szOsFile` bytes.
    unsafe {
        let below = &*(*vfs).pAppData.cast::<Below>();
        let ours = file.cast::<File>();
        (*ours).base.pMethods = std::ptr::null();
        (*ours).open = std::ptr::null_mut();
        let fresh = !path.is_null() && !std::path::Path::new(CStr::from_ptr(path).to_str().unwrap()).exists();
        let code = (*below.vfs).xOpen.unwrap()(below.vfs, path, tail(file), flags, out);
        if code == ffi::SQLITE_OK {
            if !path.is_null() {
                let name = file_name(CStr::from_ptr(path));
                if fresh {
                    below.recorder.ops.lock().unwrap().push(Op::Create(name.clone()));
                }
                (*ours).open = Box::into_raw(Box::new(Open { name, recorder: below.recorder.clone() }));
            }
            (*ours).base.pMethods = &METHODS;
        }
        code
    }
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, path: *const c_char, durable: c_int) -> c_int {
    // SAFETY: as in `open`.
    unsafe {
        let below = &*(*vfs).pAppData.cast::<Below>();
        let code = (*below.vfs).xDelete.unwrap()(below.vfs, path, durable);
        if code == ffi::SQLITE_OK {
            let file = file_name(CStr::from_ptr(path));
            below.recorder.ops.lock().unwrap().push(Op::Delete { file, durable: durable != 0 });
        }
        code
    }
}

/// The part of the file that belongs to the VFS below.
unsafe fn tail(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: the file has the size of ours and of the one below together.
    unsafe { file.cast::<File>().add(1).cast() }
}

/// Calls a method of the VFS below.
macro_rules! below {
    ($method:ident, $file:expr $(, $argument:expr)*) => {{
        let file = tail($file);
        (*(*file).pMethods).$method.unwrap()(file $(, $argument)*)
    }};
}

/// Methods that only pass through.
macro_rules! passed {
    ($($name:ident => $method:ident($($argument:ident: $kind:ty),*);)*) => {
        $(unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $argument: $kind)*) -> c_int {
            // SAFETY: the file was opened by `open`.
            unsafe { below!($method, file $(, $argument)*) }
        })*
    };
}

passed! {
    read => xRead(into: *mut c_void, count: c_int, offset: i64);
    file_size => xFileSize(size: *mut i64);
    lock => xLock(level: c_int);
    unlock => xUnlock(level: c_int);
    reserved => xCheckReservedLock(out: *mut c_int);
    control => xFileControl(op: c_int, argument: *mut c_void);
    sector_size => xSectorSize();
    characteristics => xDeviceCharacteristics();
    shm_map => xShmMap(page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void);
    shm_lock => xShmLock(offset: c_int, count: c_int, flags: c_int);
    shm_unmap => xShmUnmap(delete: c_int);
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: the file was opened by `open`.
    unsafe { below!(xShmBarrier, file) }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the file was opened by `open` and is not used after this.
    unsafe {
        let ours = file.cast::<File>();
        if !(*ours).open.is_null() {
            drop(Box::from_raw((*ours).open));
            (*ours).open = std::ptr::null_mut();
        }
        below!(xClose, file)
    }
}

unsafe fn opened<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a Open> {
    // SAFETY: set by `open`, freed by `close` only.
    unsafe { (*file.cast::<File>()).open.as_ref() }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    count: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: SQLite hands over `count` readable bytes.
    unsafe {
        let Some(open) = opened(file) else { return below!(xWrite, file, from, count, offset) };
        let recorder = &open.recorder;
        let count_i64 = i64::from(count);
        if recorder.limited.load(SeqCst) && recorder.room.fetch_sub(count_i64, SeqCst) < count_i64 {
            return ffi::SQLITE_FULL;
        }
        let mut ops = recorder.ops.lock().unwrap();
        let code = below!(xWrite, file, from, count, offset);
        if code == ffi::SQLITE_OK {
            let bytes = std::slice::from_raw_parts(from.cast::<u8>(), count as usize).to_vec();
            ops.push(Op::Write { file: open.name.clone(), offset: offset as usize, bytes });
        }
        code
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    // SAFETY: the file was opened by `open`.
    unsafe {
        let Some(open) = opened(file) else { return below!(xTruncate, file, size) };
        let mut ops = open.recorder.ops.lock().unwrap();
        let code = below!(xTruncate, file, size);
        if code == ffi::SQLITE_OK {
            ops.push(Op::Truncate { file: open.name.clone(), size: size as usize });
        }
        code
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: the file was opened by `open`.
    unsafe {
        let Some(open) = opened(file) else { return below!(xSync, file, flags) };
        if open.recorder.failing_sync.load(SeqCst) {
            return ffi::SQLITE_IOERR_FSYNC;
        }
        let mut ops = open.recorder.ops.lock().unwrap();
        let code = below!(xSync, file, flags);
        if code == ffi::SQLITE_OK {
            ops.push(Op::Sync(open.name.clone()));
        }
        code
    }
}

/// Version 2: with shared memory, without mapped reads, so that all goes through here.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(reserved),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};
