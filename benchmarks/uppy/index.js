/** What a site bundles that uploads with Uppy's S3 plugin, and with an interface of its own. */
export { default as AwsS3 } from "@uppy/aws-s3";
export { default as Uppy } from "@uppy/core";
