#pragma once
#include "Connection/Callback.h"

DECLARE_DYNAMIC_DELEGATE_OneParam(
    FSubscriptionEventDelegate, const FSubscriptionEventContextBase&, Context);
DECLARE_DYNAMIC_DELEGATE_OneParam(FSubscriptionErrorDelegate, const FErrorContextBase&, Context);

struct USubscriptionHandleBase : public UObject
{
    TArray<FString> Queries;
    FSubscriptionEventDelegate Applied;
    FSubscriptionErrorDelegate Failed;
};

struct USubscriptionBuilderBase : public UObject
{
protected:
    USubscriptionBuilderBase* OnAppliedBase(FSubscriptionEventDelegate Callback)
    {
        Applied = Callback;
        return this;
    }
    USubscriptionBuilderBase* OnErrorBase(FSubscriptionErrorDelegate Callback)
    {
        Failed = Callback;
        return this;
    }
    USubscriptionHandleBase* SubscribeBase(
        const TArray<FString>& Queries, USubscriptionHandleBase* Handle)
    {
        Handle->Queries = Queries;
        Handle->Applied = Applied;
        Handle->Failed = Failed;
        return Handle;
    }

private:
    FSubscriptionEventDelegate Applied;
    FSubscriptionErrorDelegate Failed;
};
