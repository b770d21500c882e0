import CoteContent
import CoteModel
import CoteSystem

/// Writes an OCI image layout by hand, so that any layer may be in it: OCI image specification, `image-layout.md`.
struct ImageLayout {
    let path: String

    /// A layout with one image, `test`, of these layers, uncompressed.
    init(at path: String, layers: [[UInt8]]) throws {
        self.path = path
        try Files.makeDirectories(path + "/blobs/sha256")
        let digests = try layers.map { try blob($0) }
        let list = digests.map { "\"\($0.digest.text)\"" }.joined(separator: ",")
        let configuration = try blob(
            #"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[\#(list)]}}"#)
        let described = digests.map { descriptor($0, "application/vnd.oci.image.layer.v1.tar") }
        let manifest = try blob(
            #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","#
                + #""config":\#(descriptor(configuration, "application/vnd.oci.image.config.v1+json")),"#
                + #""layers":[\#(described.joined(separator: ","))]}"#)
        let named =
            descriptor(manifest, "application/vnd.oci.image.manifest.v1+json").dropLast()
            + #","annotations":{"org.opencontainers.image.ref.name":"test"}}"#
        try Files.create(path + "/index.json", Array(#"{"schemaVersion":2,"manifests":[\#(named)]}"#.utf8))
        try Files.create(path + "/oci-layout", Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8))
    }

    private func blob(_ text: String) throws -> (digest: Digest, size: Int) { try blob(Array(text.utf8)) }

    private func blob(_ bytes: [UInt8]) throws -> (digest: Digest, size: Int) {
        let digest = ContentHash.digest(of: bytes)
        let place = "\(path)/blobs/sha256/\(digest.hex)"
        if !Files.exists(place) { try Files.create(place, bytes) }
        return (digest, bytes.count)
    }

    private func descriptor(_ blob: (digest: Digest, size: Int), _ mediaType: String) -> String {
        #"{"mediaType":"\#(mediaType)","digest":"\#(blob.digest.text)","size":\#(blob.size)}"#
    }
}
