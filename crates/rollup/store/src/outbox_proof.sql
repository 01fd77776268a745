create table native_outbox_proofs (
    position integer primary key,
    number integer not null,
    hash blob not null,
    root blob not null,
    proof blob not null
) strict;

create index native_outbox_proofs_by_block on native_outbox_proofs (number, hash);
