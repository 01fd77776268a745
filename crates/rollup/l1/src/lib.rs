//! Client of L1: event and head reader, and one nonce-managed sender.
