#pragma once
#include "Connection/DbConnectionBase.h"

DECLARE_DYNAMIC_DELEGATE_OneParam(FOnConnectErrorDelegate, const FString&, Error);
DECLARE_DYNAMIC_DELEGATE_ThreeParams(
    FOnConnectBaseDelegate, UDbConnectionBase*, Connection, FSpacetimeDBIdentity, Identity,
    const FString&, Token);
DECLARE_DYNAMIC_DELEGATE_TwoParams(
    FOnDisconnectBaseDelegate, UDbConnectionBase*, Connection, const FString&, Error);

enum class ESpacetimeDBCompression : uint8 { None, Gzip };

struct UDbConnectionBuilderBase : public UObject
{
    // What a test tells to connect with, and how.
    inline static UDbConnectionBase* Next = nullptr;
    std::string Name;
    FOnConnectBaseDelegate Connected;
    FOnDisconnectBaseDelegate Disconnected;

    UDbConnectionBuilderBase* WithUriBase(const FString&) { return this; }
    UDbConnectionBuilderBase* WithModuleNameBase(const FString& InName)
    {
        Name = InName.Text;
        return this;
    }
    UDbConnectionBuilderBase* WithTokenBase(const FString&) { return this; }
    UDbConnectionBuilderBase* WithCompressionBase(const ESpacetimeDBCompression&) { return this; }
    UDbConnectionBuilderBase* OnConnectBase(FOnConnectBaseDelegate Callback)
    {
        Connected = Callback;
        return this;
    }
    UDbConnectionBuilderBase* OnConnectErrorBase(FOnConnectErrorDelegate) { return this; }
    UDbConnectionBuilderBase* OnDisconnectBase(FOnDisconnectBaseDelegate Callback)
    {
        Disconnected = Callback;
        return this;
    }
    UDbConnectionBase* BuildConnection(UClass*) { return Next; }
};
