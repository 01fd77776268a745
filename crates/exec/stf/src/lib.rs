//! Header and body checks, executing and building a block under a chain's rules.
