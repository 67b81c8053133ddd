//! Calls libpng, which is loaded when a worker starts. So the example builds without its headers.
#![allow(unsafe_code)]

use procpool::Failure;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null_mut;

const LIBRARY: &CStr = c"libpng16.so.16";

type Pointer = *mut c_void;

/// `png_image`, version 1.
#[repr(C)]
struct Image {
    opaque: Pointer,
    version: u32,
    width: u32,
    height: u32,
    /// Format, flags, number of colours, kind of the message.
    other: [u32; 4],
    message: [u8; 64],
}

/// The functions that are called, with their types from `png.h`.
pub(crate) struct Libpng {
    begin_read: unsafe extern "C" fn(*mut Image, *const u8, usize) -> c_int,
    image_free: unsafe extern "C" fn(*mut Image),
    create_read: unsafe extern "C" fn(*const c_char, Pointer, Pointer, Pointer) -> Pointer,
    create_info: unsafe extern "C" fn(Pointer) -> Pointer,
    init_io: unsafe extern "C" fn(Pointer, *mut libc::FILE),
    read_png: unsafe extern "C" fn(Pointer, Pointer, c_int, Pointer),
    destroy_read: unsafe extern "C" fn(*mut Pointer, *mut Pointer, *mut Pointer),
}

impl Libpng {
    pub(crate) fn load() -> Result<Self, Failure> {
        // SAFETY: the name ends with a zero byte, and libpng does nothing when it is loaded.
        let library = unsafe { libc::dlopen(LIBRARY.as_ptr(), libc::RTLD_NOW) };
        if library.is_null() {
            Err(format!("failed to load {LIBRARY:?}: install libpng 1.6 (Debian: libpng16-16)"))?;
        }
        Ok(Self {
            begin_read: symbol(library, c"png_image_begin_read_from_memory")?,
            image_free: symbol(library, c"png_image_free")?,
            create_read: symbol(library, c"png_create_read_struct")?,
            create_info: symbol(library, c"png_create_info_struct")?,
            init_io: symbol(library, c"png_init_io")?,
            read_png: symbol(library, c"png_read_png")?,
            destroy_read: symbol(library, c"png_destroy_read_struct")?,
        })
    }

    /// Reads width and height by the interface that returns its errors.
    pub(crate) fn size(&self, file: &[u8]) -> Result<(u32, u32), Failure> {
        let mut image =
            Image { opaque: null_mut(), version: 1, width: 0, height: 0, other: [0; 4], message: [0; 64] };
        // SAFETY: the picture is empty and of this version, and the file is as long as is said.
        let is_read = unsafe { (self.begin_read)(&raw mut image, file.as_ptr(), file.len()) } != 0;
        // SAFETY: libpng filled the picture, or emptied it when it failed; both may be freed.
        unsafe { (self.image_free)(&raw mut image) };
        let message = CStr::from_bytes_until_nul(&image.message).unwrap_or_default().to_string_lossy();
        let refused = || Failure::new(message).with_code("not_an_image");
        is_read.then_some((image.width, image.height)).ok_or_else(refused)
    }

    /// Decodes the file by the classic interface, which reports errors with `longjmp`. Rust has no `setjmp`, so that libpng
    /// aborts the process.
    pub(crate) fn decode(&self, file: &[u8]) -> Result<(), Failure> {
        // SAFETY: the stream is for reading, of as many bytes as the file has, and is closed before the file is dropped.
        let stream = unsafe { libc::fmemopen(file.as_ptr().cast_mut().cast(), file.len(), c"rb".as_ptr()) };
        // SAFETY: libpng reads the version up to its zero byte, and takes null for its own handlers of errors.
        let mut png = unsafe { (self.create_read)(c"1.6.0".as_ptr(), null_mut(), null_mut(), null_mut()) };
        // SAFETY: `png` was made by libpng; null, which says that there is no memory, makes another null.
        let mut info = unsafe { (self.create_info)(png) };
        if stream.is_null() || info.is_null() {
            Err("there is not enough memory to decode an image")?;
        }
        // SAFETY: neither is null, and the stream is open until `png` is destroyed.
        unsafe { (self.init_io)(png, stream) };
        // SAFETY: both are libpng's, and 0 asks for no transformation. An error does not return.
        unsafe { (self.read_png)(png, info, 0, null_mut()) };
        // SAFETY: both are libpng's, and nobody uses them or their rows again.
        unsafe { (self.destroy_read)(&raw mut png, &raw mut info, null_mut()) };
        // SAFETY: the stream is open, and `png` was the last to use it.
        unsafe { libc::fclose(stream) };
        Ok(())
    }
}

/// Finds a function, as which `F` is used.
fn symbol<F: Copy>(library: Pointer, name: &CStr) -> Result<F, Failure> {
    const { assert!(size_of::<F>() == size_of::<Pointer>()) };
    // SAFETY: the library stays loaded, and the name ends with a zero byte.
    let found = unsafe { libc::dlsym(library, name.as_ptr()) };
    if found.is_null() {
        Err(format!("{LIBRARY:?} has no {name:?}"))?;
    }
    // SAFETY: it is as large as a pointer, and the fields of `Libpng` have the types of these functions.
    Ok(unsafe { std::mem::transmute_copy(&found) })
}
