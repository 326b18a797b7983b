#pragma once
#include "Tables/RemoteTable.h"

template <typename Row, typename Key> struct FUniqueIndexHelper
{
    FUniqueIndexHelper(const char*) {}
    Row FindUniqueIndex(const Key&) { return {}; }
    TSharedPtr<UClientCache<Row>> Cache;
};
