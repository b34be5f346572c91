//! The artefact: one file that is mapped into memory as it is.
//!
//! `"REFUTE" 0 1`, the header's length as u64 little-endian, the header as JSON, then sections at multiples of 64
//! bytes. Nothing in it is trusted: every place is checked against the file, the program is decoded and validated.

use std::io::{self, Write};
use std::path::PathBuf;

use bisection::{Hash, tree};
use serde::{Deserialize, Serialize};

use crate::import::lower::{BuiltConstant, Layout};
use crate::kernels::{Constant, ConstantData, panel_bytes};
use crate::program::{DecodeError, ElementType, Invalid, Program};

/// First bytes of an artefact: name and version.
const MAGIC: &[u8; 8] = b"REFUTE\x00\x01";
/// Sections begin at multiples of this.
const ALIGNMENT: usize = 64;
/// Largest header.
const HEADER_MAX: usize = 64 << 20;

/// An artefact that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArtefactError {
    /// The operating system refused the file.
    #[error("cannot read {path}: {source}; make a model with `refute model import`")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Not an artefact, or of another version.
    #[error("this is no model of Refute, or one of another version: import the model again")]
    Magic,
    /// The header is not what it must be.
    #[error("the artefact's header is malformed ({0}): import the model again")]
    Header(String),
    /// A section lies outside of the file or has a wrong size.
    #[error("the artefact is cut short or a section has a wrong size: import or download the model again")]
    Section,
    /// The program is malformed.
    #[error("the artefact's program is malformed: {0}")]
    Decode(#[from] DecodeError),
    /// The program breaks a rule.
    #[error("the artefact's program is refused: {0}")]
    Invalid(#[from] Invalid),
    /// A constant leaves its declared range.
    #[error(
        "constant {0} leaves its declared range or has padding that is not zero: the artefact is corrupted"
    )]
    Range(u32),
    /// Tokenizer or chat template are not those that the program names.
    #[error("the {0} is not the one that the program names: the artefact is corrupted or forged")]
    Interface(&'static str),
    /// The contents are not those of the id.
    #[error(
        "the artefact claims the id {claimed} but its contents are {computed}: it is corrupted or forged"
    )]
    Id {
        /// In the header.
        claimed: Hash,
        /// Recomputed.
        computed: Hash,
    },
}

/// A range of bytes of the file.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    offset: u64,
    length: u64,
}

impl Place {
    pub(crate) fn of(self, bytes: &[u8]) -> Result<&[u8], ArtefactError> {
        let start = usize::try_from(self.offset).map_err(|_| ArtefactError::Section)?;
        let length = usize::try_from(self.length).map_err(|_| ArtefactError::Section)?;
        let end = start.checked_add(length).ok_or(ArtefactError::Section)?;
        bytes.get(start..end).ok_or(ArtefactError::Section)
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct ConstantPlace {
    pub(crate) place: Place,
    pub(crate) panels: bool,
}

/// A step that people know by name, with its node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepLabel {
    /// As in `layers.3.q`.
    pub name: String,
    /// The node with its value.
    pub node: u32,
    /// Fractional bits of the value.
    pub fraction: i32,
}

/// What a model was imported from and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Provenance {
    /// What the source calls itself.
    pub name: String,
    /// `gguf`, `huggingface` or `pt2`.
    pub format: String,
    /// keccak256 of the source.
    pub digest: Hash,
    /// `w8` or `w16`.
    pub precision: String,
    /// `i8` or `i16`.
    pub kv: String,
    /// Fractional bits of the widest format: the residual stream's in a decoder.
    pub stream_fraction: i32,
    /// Version of the importer.
    pub importer: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) id: Hash,
    pub(crate) program: Place,
    pub(crate) constants: Vec<ConstantPlace>,
    pub(crate) tokenizer: Place,
    pub(crate) chat_template: Option<Place>,
    pub(crate) special_tokens: Vec<(String, String)>,
    pub(crate) add_bos: bool,
    pub(crate) steps: Vec<StepLabel>,
    pub(crate) provenance: Provenance,
}

pub(crate) fn read_header(bytes: &[u8]) -> Result<Header, ArtefactError> {
    let (magic, rest) = bytes.split_at_checked(8).ok_or(ArtefactError::Magic)?;
    if magic != MAGIC {
        return Err(ArtefactError::Magic);
    }
    let (length, rest) = rest.split_first_chunk::<8>().ok_or(ArtefactError::Section)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| ArtefactError::Section)?;
    if length > HEADER_MAX {
        return Err(ArtefactError::Header("it is too long".into()));
    }
    let json = rest.get(..length).ok_or(ArtefactError::Section)?;
    serde_json::from_slice(json).map_err(|e| ArtefactError::Header(e.to_string()))
}

/// Does every section lie in the file, with the size that the program says.
pub(crate) fn check_sections(header: &Header, program: &Program, bytes: &[u8]) -> Result<(), ArtefactError> {
    if header.constants.len() != program.constants.len() {
        return Err(ArtefactError::Section);
    }
    for (c, info) in header.constants.iter().zip(&program.constants) {
        let size = info.element.size();
        let expected = if c.panels {
            if !matches!(info.element, ElementType::I8 | ElementType::I16) {
                return Err(ArtefactError::Header("panels hold weights of 8 or 16 bits only".into()));
            }
            panel_bytes(info.rows as usize, info.columns as usize, size)
        } else {
            usize::try_from(info.len()).ok().and_then(|n| n.checked_mul(size))
        };
        let section = c.place.of(bytes)?;
        if Some(section.len()) != expected || !c.place.offset.is_multiple_of(ALIGNMENT as u64) {
            return Err(ArtefactError::Section);
        }
    }
    header.tokenizer.of(bytes)?;
    if let Some(place) = header.chat_template {
        std::str::from_utf8(place.of(bytes)?).map_err(|e| ArtefactError::Header(e.to_string()))?;
    }
    let known = |s: &StepLabel| (s.node as usize) < program.nodes.len();
    if !header.steps.iter().all(known) {
        return Err(ArtefactError::Header("a step names a node that does not exist".into()));
    }
    Ok(())
}

/// What an artefact is made from.
pub(crate) struct Contents<'a> {
    pub(crate) program: &'a Program,
    pub(crate) constants: &'a [BuiltConstant],
    pub(crate) tokenizer: &'a [u8],
    pub(crate) chat_template: Option<&'a str>,
    pub(crate) special_tokens: &'a [(String, String)],
    pub(crate) add_bos: bool,
    pub(crate) steps: Vec<StepLabel>,
    pub(crate) provenance: Provenance,
}

/// Writes an artefact and returns its id.
pub(crate) fn write(contents: &Contents<'_>, to: &mut dyn Write) -> io::Result<Hash> {
    let roots: Vec<Hash> = contents
        .constants
        .iter()
        .map(|c| {
            let data = match c.layout {
                Layout::Rows => ConstantData::Rows(&c.bytes),
                Layout::Panels => ConstantData::Panels(&c.bytes),
            };
            tree::tensor_root(&Constant { info: c.info, data }.row_major())
        })
        .collect();
    let infos = crate::program::validate(contents.program).map_err(io::Error::other)?;
    let id = crate::model::model_id(contents.program, &infos, &roots);
    let program = contents.program.encode();
    let mut sections: Vec<&[u8]> = vec![&program, contents.tokenizer];
    sections.extend(contents.chat_template.map(str::as_bytes));
    sections.extend(contents.constants.iter().map(|c| c.bytes.as_slice()));
    // The offsets are part of the header, whose length moves them: the space for it is found by trying.
    let mut space = ALIGNMENT;
    let json = loop {
        let mut places = Vec::new();
        let mut offset = space;
        for section in &sections {
            places.push(Place { offset: offset as u64, length: section.len() as u64 });
            offset = (offset + section.len()).next_multiple_of(ALIGNMENT);
        }
        let mut places = places.into_iter();
        let mut next = || places.next().ok_or_else(|| io::Error::other("a section has no place"));
        let header = Header {
            id,
            program: next()?,
            tokenizer: next()?,
            chat_template: contents.chat_template.map(|_| next()).transpose()?,
            constants: contents
                .constants
                .iter()
                .map(|c| Ok(ConstantPlace { place: next()?, panels: c.layout == Layout::Panels }))
                .collect::<io::Result<_>>()?,
            special_tokens: contents.special_tokens.to_vec(),
            add_bos: contents.add_bos,
            steps: contents.steps.clone(),
            provenance: contents.provenance.clone(),
        };
        let json = serde_json::to_vec(&header)?;
        let needed = (16 + json.len()).next_multiple_of(ALIGNMENT);
        if needed <= space {
            break json;
        }
        space = needed;
    };
    to.write_all(MAGIC)?;
    to.write_all(&(json.len() as u64).to_le_bytes())?;
    to.write_all(&json)?;
    to.write_all(&vec![0; space - 16 - json.len()])?;
    for section in sections {
        to.write_all(section)?;
        to.write_all(&vec![0; section.len().next_multiple_of(ALIGNMENT) - section.len()])?;
    }
    Ok(id)
}
