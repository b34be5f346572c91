//! The back ends by name: who computes is the operator's choice, and changes no bit.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::engine::{Engine, EngineError};
use crate::model::Model;
use crate::native::{Isa, Native};
use crate::reference::Reference;

/// Where libtorch computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// This processor.
    #[default]
    Cpu,
    /// A card.
    Cuda(usize),
}

/// A name of no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no device: use cpu, or cuda:0, cuda:1 and so on")]
pub struct UnknownDevice(String);

impl FromStr for Device {
    type Err = UnknownDevice;

    fn from_str(name: &str) -> Result<Self, UnknownDevice> {
        match name.split_once(':') {
            None if name == "cpu" => Ok(Self::Cpu),
            None if name == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", number)) => {
                number.parse().map(Self::Cuda).map_err(|_| UnknownDevice(name.to_owned()))
            }
            _ => Err(UnknownDevice(name.to_owned())),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// Who computes.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Backend {
    /// Our kernels on this processor.
    #[default]
    Native,
    /// The kernels of the specification: slow, and right by definition.
    Reference,
    /// libtorch.
    Torch(Device),
}

/// A name of no back end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no back end: use native, reference, torch (the same as torch:cpu) or torch:cuda:0")]
pub struct UnknownBackend(String);

impl FromStr for Backend {
    type Err = UnknownBackend;

    fn from_str(name: &str) -> Result<Self, UnknownBackend> {
        match name.split_once(':') {
            None if name == "native" => Ok(Self::Native),
            None if name == "reference" => Ok(Self::Reference),
            None if name == "torch" => Ok(Self::Torch(Device::Cpu)),
            Some(("torch", device)) => {
                device.parse().map(Self::Torch).map_err(|_| UnknownBackend(name.to_owned()))
            }
            _ => Err(UnknownBackend(name.to_owned())),
        }
    }
}

impl TryFrom<String> for Backend {
    type Error = UnknownBackend;

    fn try_from(name: String) -> Result<Self, UnknownBackend> {
        name.parse()
    }
}

impl From<Backend> for String {
    fn from(backend: Backend) -> Self {
        backend.to_string()
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.write_str("native"),
            Self::Reference => f.write_str("reference"),
            Self::Torch(device) => write!(f, "torch:{device}"),
        }
    }
}

impl Backend {
    /// Is it part of this build, and its device of this machine.
    ///
    /// # Errors
    /// What to do if it is not.
    pub fn check(self) -> Result<(), EngineError> {
        match self {
            #[cfg(feature = "torch")]
            Self::Torch(device) => crate::torch::tensor::check(device),
            #[cfg(not(feature = "torch"))]
            Self::Torch(_) => Err(EngineError::Backend(
                "this program was built without libtorch: build it with `make build` (the feature `torch`), or choose native"
                    .into(),
            )),
            Self::Native | Self::Reference => Ok(()),
        }
    }

    /// Starts it for a model, with so many threads. `isa` is for our own kernels.
    pub fn start(
        self,
        model: &Model,
        threads: usize,
        isa: Option<Isa>,
    ) -> Result<Box<dyn Engine>, EngineError> {
        self.check()?;
        Ok(match self {
            Self::Reference => Box::new(Reference::new(model.clone())),
            #[cfg(feature = "torch")]
            Self::Torch(Device::Cpu) => Box::new(crate::torch::on_processor(model, threads, isa)?),
            #[cfg(feature = "torch")]
            Self::Torch(device) => Box::new(crate::torch::tensor::TensorEngine::new(model, device)?),
            _ => Box::new(Native::new(model, threads, isa)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_ends_have_names() {
        for name in ["native", "reference", "torch:cpu", "torch:cuda:2"] {
            assert_eq!(name.parse::<Backend>().unwrap().to_string(), name);
        }
        assert_eq!("torch".parse(), Ok(Backend::Torch(Device::Cpu)));
        for wrong in ["", "Native", "native:cpu", "torch:", "torch:gpu"] {
            assert!(wrong.parse::<Backend>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn devices_have_names() {
        for device in [Device::Cpu, Device::Cuda(0), Device::Cuda(3)] {
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        for wrong in ["", "gpu", "cuda:", "cuda:-1", "cpu:0", "cuda:x"] {
            assert!(wrong.parse::<Device>().is_err(), "{wrong}");
        }
    }
}
