create table native_blobs (
    hash blob primary key,
    position integer not null,
    stream blob not null
) strict;
