//! Runs the kernels of the torch back end on the processor: they are compiled as C++ by the system's compiler.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char, c_int, c_void};
use std::path::Path;
use std::process::Command;

use executor::engine::EngineError;
use executor::torch::tensor::fused::{Arguments, Launcher, NAMES, PREFIX};

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

const RTLD_NOW: c_int = 2;

/// The compiled kernels, by name, and what runs their blocks. Addresses of code, which stays loaded.
#[derive(Debug)]
pub(crate) struct Host {
    kernels: BTreeMap<&'static str, usize>,
    run: usize,
}

impl Host {
    /// Compiles them, undefined behaviour trapped: what C++ leaves open a card may do otherwise.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("kernels.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/host_kernels.cpp");
        let made = Command::new("c++")
            .args(["-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"])
            .args(["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error", "-o"])
            .args([&library, &source])
            .status()
            .expect("a C++ compiler");
        assert!(made.success());
        let path = CString::new(library.to_str().unwrap()).unwrap();
        // SAFETY: a path that ends; the library was just made and runs nothing when it is loaded.
        let handle = unsafe { dlopen(path.as_ptr(), RTLD_NOW) };
        assert!(!handle.is_null());
        let find = |name: &str| {
            let symbol = CString::new(name).unwrap();
            // SAFETY: the library is never closed, the name ends.
            let address = unsafe { dlsym(handle, symbol.as_ptr()) };
            assert!(!address.is_null(), "no kernel {name}");
            address as usize
        };
        Self {
            kernels: NAMES.iter().map(|name| (*name, find(&format!("{PREFIX}{name}")))).collect(),
            run: find("run_blocks"),
        }
    }
}

impl Launcher for Host {
    unsafe fn launch(
        &self,
        kernel: &'static str,
        blocks: u32,
        arguments: &Arguments,
    ) -> Result<(), EngineError> {
        type Run = unsafe extern "C" fn(usize, i64, *const Arguments);
        let kernel = self.kernels.get(kernel).unwrap_or_else(|| panic!("no kernel {kernel}"));
        // SAFETY: the address is that of `run_blocks`, whose arguments these are.
        let run: Run = unsafe { std::mem::transmute(self.run) };
        // SAFETY: what the caller of `launch` promises.
        unsafe { run(*kernel, blocks.into(), arguments) };
        Ok(())
    }
}
