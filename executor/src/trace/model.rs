//! What a model id is the hash of, and the leaves of its two trees.

use bisection::{Hash, tagged, tree};

use crate::program::{ConstantInfo, NodeInfo, Program, record_hash};

/// The parts of a model id. docs/specification.md, 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelHeader {
    /// Nodes of the program.
    pub nodes: u32,
    /// Constants of the program.
    pub constants: u32,
    /// Root of the node records.
    pub nodes_root: Hash,
    /// Root of the constants.
    pub constants_root: Hash,
    /// Hash of the interface's encoding.
    pub interface_hash: Hash,
}

impl ModelHeader {
    /// Of a validated program, given the tensor roots of its constants.
    pub fn new(program: &Program, infos: &[NodeInfo], tensor_roots: &[Hash]) -> Self {
        let mut interface = Vec::new();
        program.interface.encode(&mut interface);
        Self {
            nodes: program.nodes.len() as u32,
            constants: program.constants.len() as u32,
            nodes_root: tree::root(node_leaves(program, infos)),
            constants_root: tree::root(constant_leaves(program, tensor_roots)),
            interface_hash: tagged(b"rf.iface", &[&interface]),
        }
    }

    /// The model's id.
    pub fn id(&self) -> Hash {
        let counts = [self.nodes.to_be_bytes(), self.constants.to_be_bytes()];
        tagged(
            b"rf.model",
            &[counts.as_flattened(), &self.nodes_root.0, &self.constants_root.0, &self.interface_hash.0],
        )
    }
}

/// Leaves of the tree of nodes: their records.
pub(super) fn node_leaves(program: &Program, infos: &[NodeInfo]) -> Vec<Hash> {
    let nodes = (0u32..).zip(&program.nodes);
    nodes.map(|(i, node)| record_hash(i, &node.record(i as usize, infos))).collect()
}

/// Leaves of the tree of constants.
pub(super) fn constant_leaves(program: &Program, tensor_roots: &[Hash]) -> Vec<Hash> {
    let leaf = |(i, (info, root)): (u64, (&ConstantInfo, &Hash))| {
        let mut bytes = i.to_be_bytes().to_vec();
        info.encode(&mut bytes);
        tagged(b"rf.const", &[&bytes, &root.0])
    };
    (0u64..).zip(program.constants.iter().zip(tensor_roots)).map(leaf).collect()
}
