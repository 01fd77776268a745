create table executed (
    id integer primary key check (id = 0),
    block integer not null,
    hash blob not null,
    next_message integer not null
) strict;
