//! Merkle-Patricia trie over an abstract node source.
