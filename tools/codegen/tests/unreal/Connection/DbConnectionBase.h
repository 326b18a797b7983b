#pragma once
#include "CoreMinimal.h"

struct UDbConnectionBase : public UObject
{
    using Super = UObject;
    template <typename Args> void CallReducerTyped(const char*, const Args&) {}
    template <typename Args> void CallProcedureTyped(const char*, const Args&) {}
    template <typename Row, typename Table, typename Context>
    void RegisterTable(const FString&, Table*) {}
};
struct UDbConnectionBuilderBase : public UObject
{
    UDbConnectionBase* BuildConnection(UClass*) { return nullptr; }
};
struct USubscriptionHandleBase : public UObject {};
struct USubscriptionBuilderBase : public UObject
{
    void SubscribeBase(UDbConnectionBase*, const TArray<FString>&, USubscriptionHandleBase*) {}
};
