//! Admission, order, replacement and blob sidecars of pending transactions.
