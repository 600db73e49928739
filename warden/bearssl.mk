# What the warden has of BearSSL: SHA-2, and ECDSA with P-256. Files of its src/, for objects.mk and the tests on the host.
BEARSSL_WARDEN := hash/sha2small hash/sha2big codec/dec32be codec/enc32be codec/dec64be codec/enc64be codec/ccopy \
	rand/hmac_drbg mac/hmac ec/ecdsa_i31_sign_raw ec/ecdsa_i31_bits ec/ec_keygen ec/ec_pubkey ec/ec_p256_m31 \
	ec/ec_secp256r1 ec/ec_secp384r1 ec/ec_secp521r1 $(addprefix int/i31_,add bitlen decode decmod encode fmont iszero \
	modpow montmul muladd ninv31 rshift sub tmont) int/i32_div32
