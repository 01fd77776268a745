//! What is proven: batch input to public inputs.
