create table native_derived (
    digest blob primary key,
    block blob not null,
    forced integer not null,
    gas integer not null
) strict;

create table native_items (
    position integer primary key,
    context blob not null,
    header blob not null,
    fee_recipient blob not null,
    closed integer not null check (closed in (0, 1))
) strict;

create table native_blocks (
    position integer not null references native_items (position) on delete cascade,
    k integer not null,
    number integer not null,
    hash blob not null,
    dt integer not null,
    forced integer not null,
    posted blob not null,
    primary key (position, k)
) strict;
