create table identity (
    id integer primary key check (id = 0),
    l1_chain_id integer not null,
    l2_chain_id integer not null,
    on_chain_proposer blob not null
) strict;

create table batches (
    number integer primary key,
    first_block integer not null,
    last_block integer not null unique,
    state_root blob not null,
    last_block_hash blob not null,
    l1_in_rolling_hash blob not null,
    l2_in_rolling_hashes text not null,
    non_privileged integer not null,
    l1_out_leaves blob not null,
    balance_diffs text not null,
    payload blob,
    payload_hash blob not null,
    blob_versioned_hash blob not null,
    blob_commitment blob,
    blob_proof blob,
    commit_tx blob,
    verify_tx blob
) strict;

create table deposits (
    chain_id integer not null,
    id integer not null,
    sender blob not null,
    receiver blob not null,
    value blob not null,
    gas_limit integer not null,
    data blob not null,
    l1_block integer not null,
    primary key (chain_id, id)
) strict;

create table cursors (
    name text primary key,
    block integer not null,
    hash blob not null
) strict;

create table proofs (
    batch integer not null,
    prover integer not null,
    proof blob not null,
    primary key (batch, prover)
) strict;

create table outbox (
    chain_id integer not null,
    sender blob not null,
    nonce integer not null,
    purpose text not null,
    raw blob not null,
    hashes blob not null,
    state text not null check (state in ('open', 'mined', 'reverted', 'void')),
    mined_tx blob,
    mined_block integer,
    gas_used integer,
    created blob,
    primary key (chain_id, sender, nonce)
) strict;
create index outbox_by_purpose on outbox (chain_id, purpose);
