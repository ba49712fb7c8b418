using System.Text;
using Duologue.Protocol;

namespace Duologue.AspNetCore;

/// <summary>Checks a close code and reason that an application gives.</summary>
internal static class CloseArguments
{
    public static void ThrowIfInvalid(ushort code, string reason)
    {
        ArgumentNullException.ThrowIfNull(reason);
        if (!CloseFrame.MayBeSent(code, Role.Server))
        {
            throw new ArgumentOutOfRangeException(nameof(code), code, "A server may send the close codes 1000 to 1003, 1007 to 1009, 1011 to 1014 and 3000 to 4999 (RFC 6455 §7.4).");
        }

        int size = Encoding.UTF8.GetByteCount(reason);
        if (size > CloseFrame.MaxReasonSize)
        {
            throw new ArgumentException($"The reason has {size} UTF-8 bytes; a Close frame takes at most {CloseFrame.MaxReasonSize} (RFC 6455 §5.5).", nameof(reason));
        }
    }
}
