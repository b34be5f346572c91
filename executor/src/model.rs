//! A model that is ready to run: a validated program, its constants, its tokenizer, and where it came from.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bisection::{Hash, tagged, tree};
use memmap2::Mmap;

use crate::artefact::{self, ArtefactError, Header};
use crate::kernels::{Constant, ConstantData};
use crate::program::{ConstantId, NodeInfo, Program, validate};

pub use crate::artefact::{Provenance, StepLabel};

/// Name of the artefact within a model's folder.
pub const ARTEFACT: &str = "model.refute";

/// Where an artefact's bytes are.
enum Storage {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

/// A model, cheap to clone.
#[derive(Clone)]
pub struct Model(Arc<Inner>);

struct Inner {
    program: Program,
    infos: Vec<NodeInfo>,
    header: Header,
    storage: Storage,
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
        Self::new(Storage::Mapped(map))
    }

    /// Takes an artefact's bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, ArtefactError> {
        Self::new(Storage::Owned(bytes))
    }

    fn new(storage: Storage) -> Result<Self, ArtefactError> {
        let bytes = storage.bytes();
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
        self.0.storage.bytes().len() as u64
    }

    /// A constant of the program.
    pub fn constant(&self, id: ConstantId) -> Option<Constant<'_>> {
        let info = *self.0.program.constants.get(id.index())?;
        let section = self.0.header.constants.get(id.index())?;
        let bytes = section.place.of(self.0.storage.bytes()).ok()?;
        let data = if section.panels { ConstantData::Panels(bytes) } else { ConstantData::Rows(bytes) };
        Some(Constant { info, data })
    }

    /// The tokenizer's `tokenizer.json`.
    pub fn tokenizer_json(&self) -> Result<&[u8], ArtefactError> {
        self.0.header.tokenizer.of(self.0.storage.bytes())
    }

    /// The chat template.
    pub fn chat_template(&self) -> Option<&str> {
        let place = self.0.header.chat_template.as_ref()?;
        std::str::from_utf8(place.of(self.0.storage.bytes()).ok()?).ok()
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

    /// Recomputes the id and every constant's declared range; an error says what differs.
    pub fn verify(&self) -> Result<(), ArtefactError> {
        let roots = (0..self.0.program.constants.len() as u32)
            .map(|i| {
                let constant = self.constant(ConstantId(i)).ok_or(ArtefactError::Section)?;
                if !constant.within_range() {
                    return Err(ArtefactError::Range(i));
                }
                Ok(tree::tensor_root(&constant.row_major()))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let computed = model_id(&self.0.program, &roots);
        if computed != self.id() {
            return Err(ArtefactError::Id { claimed: self.id(), computed });
        }
        Ok(())
    }
}

impl Storage {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Model({})", self.id())
    }
}

/// The id of a model: keccak over the tree of its nodes, the tree of its constants, and its interface.
pub fn model_id(program: &Program, tensor_roots: &[Hash]) -> Hash {
    let nodes = (0u64..).zip(&program.nodes).map(|(i, node)| {
        let mut bytes = i.to_be_bytes().to_vec();
        node.encode(&mut bytes);
        tagged(b"rf.inode", &[&bytes])
    });
    let constants = (0u64..).zip(program.constants.iter().zip(tensor_roots)).map(|(i, (info, root))| {
        let mut bytes = i.to_be_bytes().to_vec();
        info.encode(&mut bytes);
        tagged(b"rf.const", &[&bytes, &root.0])
    });
    let (nodes, constants) = (tree::root(nodes.collect()), tree::root(constants.collect()));
    let mut interface = Vec::new();
    program.interface.encode(&mut interface);
    let counts = [(program.nodes.len() as u32).to_be_bytes(), (program.constants.len() as u32).to_be_bytes()];
    tagged(b"rf.model", &[counts.as_flattened(), &nodes.0, &constants.0, &tagged(b"rf.iface", &[&interface]).0])
}
