//! The device that tests of tensors run on.

use std::sync::Once;

use executor::backend::Device;

/// Names the device: `cpu` unless it is set, or `cuda:0`.
pub const DEVICE: &str = "REFUTE_TORCH_DEVICE";

/// The device that was asked for. If none was, the processor, and it says loudly what is then not tested; a device that was
/// asked for and is not there fails the test where it is used.
pub fn device() -> Device {
    match std::env::var(DEVICE) {
        Ok(name) => name.parse().unwrap(),
        Err(_) => {
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                eprintln!("SKIPPED on CUDA: this run is on the processor. On a machine with a card: {DEVICE}=cuda:0 (docs/gpu.md)");
            });
            Device::Cpu
        }
    }
}
