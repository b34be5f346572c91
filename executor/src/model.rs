//! A model that is ready to run: a validated program, its constants, its tokenizer, and where it came from.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bisection::{Hash, keccak256, tree};
use memmap2::{Mmap, MmapMut};

use crate::artefact::{self, ArtefactError, Header};
use crate::kernels::{Constant, ConstantData};
use crate::program::{ConstantId, NodeInfo, Program, validate};
use crate::trace::ModelHeader;

pub use crate::artefact::{Provenance, StepLabel};

/// Name of the artefact within a model's folder.
pub const ARTEFACT: &str = "model.refute";

/// A model, cheap to clone.
#[derive(Clone)]
pub struct Model(Arc<Inner>);

struct Inner {
    program: Program,
    infos: Vec<NodeInfo>,
    header: Header,
    /// Page-aligned, so that sections are aligned in memory as in the file.
    storage: Mmap,
}

impl Model {
    /// Maps the artefact of a model's folder (or the artefact itself). Checks structure and bounds, not hashes:
    /// [`Model::verify`] does that.
    pub fn open(path: &Path) -> Result<Self, ArtefactError> {
        let path: PathBuf = if path.is_dir() { path.join(ARTEFACT) } else { path.into() };
        let io = |source| ArtefactError::Io { path: path.clone(), source };
        let file = File::open(&path).map_err(io)?;
        // SAFETY: the artefact is read-only data; a program that changes the file while it is mapped could make reads
        // fail or differ, as it could for any mapped model. `verify` shows such a change.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        Self::new(map)
    }

    /// Copies an artefact's bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtefactError> {
        let io = |source| ArtefactError::Io { path: "memory".into(), source };
        let mut map = MmapMut::map_anon(bytes.len().max(1)).map_err(io)?;
        map[..bytes.len()].copy_from_slice(bytes);
        Self::new(map.make_read_only().map_err(io)?)
    }

    fn new(storage: Mmap) -> Result<Self, ArtefactError> {
        let bytes: &[u8] = &storage;
        let header = artefact::read_header(bytes)?;
        let program = Program::decode(header.program.of(bytes)?)?;
        let infos = validate(&program)?;
        artefact::check_sections(&header, &program, bytes)?;
        Ok(Self(Arc::new(Inner { program, infos, header, storage })))
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.0.program
    }

    /// What the validator found out, a node each.
    pub fn infos(&self) -> &[NodeInfo] {
        &self.0.infos
    }

    /// The id that the artefact claims; [`Model::verify`] recomputes it.
    pub fn id(&self) -> Hash {
        self.0.header.id
    }

    /// Size of the artefact in bytes.
    pub fn size(&self) -> u64 {
        self.0.storage.len() as u64
    }

    /// A constant of the program.
    pub fn constant(&self, id: ConstantId) -> Option<Constant<'_>> {
        let info = *self.0.program.constants.get(id.index())?;
        let section = self.0.header.constants.get(id.index())?;
        let bytes = section.place.of(&self.0.storage).ok()?;
        let data = if section.panels { ConstantData::Panels(bytes) } else { ConstantData::Rows(bytes) };
        Some(Constant { info, data })
    }

    /// The tokenizer's `tokenizer.json`.
    pub fn tokenizer_json(&self) -> Result<&[u8], ArtefactError> {
        self.0.header.tokenizer.of(&self.0.storage)
    }

    /// The chat template.
    pub fn chat_template(&self) -> Option<&str> {
        let place = self.0.header.chat_template.as_ref()?;
        std::str::from_utf8(place.of(&self.0.storage).ok()?).ok()
    }

    /// Special tokens that the chat template names.
    pub fn special_tokens(&self) -> &[(String, String)] {
        &self.0.header.special_tokens
    }

    /// Does an encoded prompt begin with the beginning-of-sequence token.
    pub fn add_bos(&self) -> bool {
        self.0.header.add_bos
    }

    /// The steps that people know, with their nodes.
    pub fn steps(&self) -> &[StepLabel] {
        &self.0.header.steps
    }

    /// What the model was imported from.
    pub fn provenance(&self) -> &Provenance {
        &self.0.header.provenance
    }

    /// Recomputes the id, every constant's declared range and the hashes of the interface; an error says what differs.
    pub fn verify(&self) -> Result<(), ArtefactError> {
        let face = &self.0.program.interface;
        if keccak256(self.tokenizer_json()?) != face.tokenizer {
            return Err(ArtefactError::Interface("tokenizer"));
        }
        if keccak256(self.chat_template().unwrap_or("").as_bytes()) != face.chat_template {
            return Err(ArtefactError::Interface("chat template"));
        }
        let computed = self.header()?.id();
        if computed != self.id() {
            return Err(ArtefactError::Id { claimed: self.id(), computed });
        }
        Ok(())
    }

    /// What the id is the hash of, computed anew from program and constants. An error if a constant is not in its
    /// declared range. Hashes every weight: about a second for 300 MB.
    pub fn header(&self) -> Result<ModelHeader, ArtefactError> {
        let root = |i| {
            let constant = self.constant(ConstantId(i)).ok_or(ArtefactError::Section)?;
            if !constant.within_range() || !constant.is_padded_with_zeros() {
                return Err(ArtefactError::Range(i));
            }
            Ok(tree::tensor_root(&constant.row_major()))
        };
        let constants = 0..self.0.program.constants.len() as u32;
        let roots = constants.map(root).collect::<Result<Vec<_>, _>>()?;
        Ok(ModelHeader::new(&self.0.program, &self.0.infos, &roots))
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Model({})", self.id())
    }
}

/// The id of a model: see [`ModelHeader`].
pub fn model_id(program: &Program, infos: &[NodeInfo], tensor_roots: &[Hash]) -> Hash {
    ModelHeader::new(program, infos, tensor_roots).id()
}
