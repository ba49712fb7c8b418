using System.Security.Claims;

namespace Duologue.AspNetCore;

/// <summary>Under which name the registry keeps a user's connections.</summary>
internal static class UserIdentity
{
    /// <summary>The claim <see cref="ClaimTypes.NameIdentifier"/>, else <c>sub</c>, else the identity's name; null if nobody is signed in.</summary>
    public static string? IdOf(ClaimsPrincipal user)
    {
        if (user.Identity is not { IsAuthenticated: true } identity)
        {
            return null;
        }

        return user.FindFirst(ClaimTypes.NameIdentifier)?.Value ?? user.FindFirst("sub")?.Value ?? identity.Name;
    }
}
