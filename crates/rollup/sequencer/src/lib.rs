//! What goes in the next L2 block, and when.
