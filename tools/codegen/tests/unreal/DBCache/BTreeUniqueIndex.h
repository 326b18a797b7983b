#pragma once
#include "Tables/RemoteTable.h"

template <typename Row, typename Key> struct FMultiKeyBTreeIndexHelper
{
    FMultiKeyBTreeIndexHelper(const char*) {}
    void FilterIndex(const Key&, TArray<Row>&) {}
    TSharedPtr<UClientCache<Row>> Cache;
};
