// Owners of libcurl's objects: the one place that releases them.
#pragma once

#include <memory>

#include <curl/curl.h>

namespace hwenroll::http {

struct EasyDeleter {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct MultiDeleter {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct UrlDeleter {
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
struct ListDeleter {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct TextDeleter {
    void operator()(char* text) const { curl_free(text); }
};

using EasyPtr = std::unique_ptr<CURL, EasyDeleter>;
/// Every easy handle must have been removed before a multi handle goes.
using MultiPtr = std::unique_ptr<CURLM, MultiDeleter>;
using UrlPtr = std::unique_ptr<CURLU, UrlDeleter>;
using ListPtr = std::unique_ptr<curl_slist, ListDeleter>;
using TextPtr = std::unique_ptr<char, TextDeleter>;

}  // namespace hwenroll::http
