//! Witness format, a state made from a witness, and `validate`.
