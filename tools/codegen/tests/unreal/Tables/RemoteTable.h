#pragma once
#include "CoreMinimal.h"

template <typename Row> struct FWithBsatn {};
template <typename Row> struct FTableAppliedDiff
{
    template <typename Key, typename Function> void DeriveUpdatesByPrimaryKey(Function) {}
};
struct FTableCache
{
    template <typename Key, typename Function> void AddUniqueIndex(const char*, Function) {}
    template <typename Key, typename Function> void AddMultiKeyBTreeIndex(const char*, Function) {}
};
template <typename Row> struct UClientCache
{
    TSharedPtr<FTableCache> GetOrAdd(const FString&) { return {}; }
};

struct URemoteTable : public UObject
{
    template <typename Row> using Cache = TSharedPtr<UClientCache<Row>>;
    template <typename Row>
    FTableAppliedDiff<Row> BaseUpdate(
        TArray<FWithBsatn<Row>>&, TArray<FWithBsatn<Row>>&, Cache<Row>, const FString&)
    {
        return {};
    }
    template <typename Row>
    int32 GetRowCountFromTable(Cache<Row>, const FString&) const { return 0; }
    template <typename Row>
    TArray<Row> GetAllRowsFromTable(Cache<Row>, const FString&) const { return {}; }
};
